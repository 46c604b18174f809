// A BPF program in C for each hook.
import type { Hook, HookParameter } from './hook.js'
import { type SectionOptions, type Target, Targets } from './section.js'

/** As many arguments as the calling conventions of x64 put into registers. */
const mostInRegisters = 6

/**
 * Writes a C file with a program for each hook: its SEC(), and a function with the arguments that it gets there.
 * `libbpf-node gen` compiles it.
 *
 * @throws RangeError if a hook has no section of the kind that `as` says
 */
export function toC(hooks: Iterable<Hook>, options: SectionOptions = {}): string {
  const targets = new Targets()
  const programs = [...hooks].map((hook) => programFor(hook, targets.of(hook, options)))
  const headers = ['bpf_core_read', 'bpf_helpers', 'bpf_tracing', 'usdt.bpf'].filter(
    (header) => header !== 'usdt.bpf' || programs.some((text) => text.includes('BPF_USDT(')),
  )
  return `#include "vmlinux.h"

${headers.map((header) => `#include <bpf/${header}.h>`).join('\n')}

${programs.join('\n')}
char LICENSE[] SEC("license") = "GPL";
`
}

function programFor(hook: Hook, target: Target): string {
  const { name, section, kind } = target
  const head = `SEC("${section}")\n`
  switch (kind) {
    case '':
      // BTF does not say that pointers into an arena have an address space, so a declaration here would contradict
      // vmlinux.h.
      if (hook.name.startsWith('bpf_arena_')) return `// vmlinux.h declares ${hook.name}.\n`
      return `${declare(hook.returns ?? 'void', `${hook.name}(${list(hook.parameters) || 'void'})`)} __ksym __weak;\n`
    case 'tp':
      return tracepoint(hook, target, head)
    case 'tp_btf':
    case 'fentry':
      return `${head}${bpfProg(name, hook.parameters)} {\n  return 0;\n}\n`
    case 'fexit':
      return `${head}${bpfProg(name, [...hook.parameters, ...resultOf(hook)])} {\n  return 0;\n}\n`
    case 'lsm':
    case 'lsm.s':
      return lsm(hook, name, head)
    case 'lsm_cgroup':
      return `${head}${bpfProg(name, hook.parameters)} {\n  return 1;\n}\n`
    case 'raw_tp':
      return `${head}int ${name}(struct bpf_raw_tracepoint_args *ctx) {\n${comment('ctx->args', hook.parameters)}  return 0;\n}\n`
    case 'kprobe':
      return `${head}int BPF_KPROBE(${[name, ...inRegisters(hook)].join(', ')}) {\n  return 0;\n}\n`
    case 'ksyscall':
      return `${head}int BPF_KSYSCALL(${[name, ...inRegisters(hook)].join(', ')}) {\n  return 0;\n}\n`
    case 'kretprobe':
    case 'kretsyscall':
      return `${head}int BPF_KRETPROBE(${[name, ...resultOf(hook).map(({ declaration }) => declaration)].join(', ')}) {\n  return 0;\n}\n`
    case 'uprobe':
      return `${head}int BPF_UPROBE(${name}) {\n  return 0;\n}\n`
    case 'uretprobe':
      return `${head}int BPF_URETPROBE(${name}, long ret) {\n  return 0;\n}\n`
    case 'usdt':
      return `${head}int BPF_USDT(${[name, ...hook.parameters.map(({ declaration }) => declaration)].join(', ')}) {\n  return 0;\n}\n`
    case '.struct_ops.link':
    case '.struct_ops':
      return structOps(hook, target, head)
    default:
      return withContext(hook, target, head)
  }
}

/** Members of a context are listed in a comment, because nothing else shows them. */
function withContext(hook: Hook, { name, kind }: Target, head: string): string {
  // For cgroups and sockets, 1 means to let pass; XDP_PASS, SK_PASS and NF_ACCEPT have names.
  const verdicts: Record<string, string> = {
    xdp: 'XDP_PASS',
    sk_lookup: 'SK_PASS',
    sk_msg: 'SK_PASS',
    sk_skb: 'SK_PASS',
  }
  const passes = hook.kind === 'cgroup' || ['netfilter', 'sk_reuseport'].includes(kind)
  const verdict = hook.name === 'sk_skb/stream_parser' || kind === 'socket' ? 'ctx->len' : verdicts[kind]
  const context = hook.context ?? 'void'
  const flow = kind === 'flow_dissector' ? '129 /* BPF_FLOW_DISSECTOR_CONTINUE */' : undefined
  return `${head}int ${name}(${context} *ctx) {\n${comment('ctx', hook.parameters)}  return ${flow ?? verdict ?? (passes ? '1' : '0')};\n}\n`
}

function tracepoint(hook: Hook, { name, section }: Target, head: string): string {
  if (section?.startsWith('tp/syscalls/sys_exit_') && hook.kind === 'syscall') {
    return `${head}int ${name}(struct trace_event_raw_sys_exit *ctx) {\n  // ctx->ret\n  return 0;\n}\n`
  }
  if (hook.context?.includes('trace_event_raw_sys_enter')) {
    const names = hook.parameters.map(({ declaration }, i) => `  // ctx->args[${i}]: ${declaration}\n`)
    return `${head}int ${name}(${hook.context} *ctx) {\n${names.join('')}  return 0;\n}\n`
  }
  // vmlinux.h has no types of modules.
  if (hook.context !== undefined && hook.module === undefined) {
    const members = hook.parameters.map((field) => `  // ${whereRecorded(field)}\n`)
    return `${head}int ${name}(${hook.context} *ctx) {\n${members.join('')}  return 0;\n}\n`
  }
  // The kernel's BTF has no struct for it: several events have the same fields, or it has none.
  const struct = `struct ${name.replace(/^on_/, '')}_record`
  const members = hook.parameters.map(({ declaration }) => `  ${recorded(declaration)};\n`)
  return `${struct} {\n  __u64 common;\n${members.join('')}};\n\n${head}int ${name}(${struct} *ctx) {\n  return 0;\n}\n`
}

function whereRecorded({ name, declaration }: HookParameter): string {
  const [, type = ''] = /^__data_loc (.*?)\s*\w+$/.exec(declaration) ?? []
  if (type === '') return `ctx->${name}: ${declaration}`
  return `(void *)ctx + (ctx->__data_loc_${name} & 0xffff): ${type} ${name}`
}

/** Data of a variable length is recorded as its place: the offset in the lower 16 bits, and the length. */
function recorded(declaration: string): string {
  const [, name] = /^__(?:data|rel)_loc .*?(\w+)$/.exec(declaration) ?? []
  return name === undefined ? declaration : `__u32 ${name}`
}

function lsm(hook: Hook, name: string, head: string): string {
  const decides = hook.returns !== 'void'
  const parameters = decides
    ? [...hook.parameters, { name: 'ret', type: 'int', declaration: 'int ret' }]
    : hook.parameters
  return `${head}${bpfProg(name, parameters)} {\n  return ${decides ? 'ret' : '0'};\n}\n`
}

function structOps(hook: Hook, { name, section }: Target, head: string): string {
  const members = hook.parameters.map(({ declaration }) => `  // ${declaration}\n`)
  const mark = section === undefined ? head : `SEC("${section}")\n`
  return `// Write a SEC("struct_ops") function for each member that you need: .member = (void *)function.\n${mark}${hook.context} ${name.replace(/^on_/, 'my_')} = {\n${members.join('')}};\n`
}

/** BPF_PROG2 also takes structs by value. */
function bpfProg(name: string, parameters: readonly HookParameter[]): string {
  const safe = parameters.map(unlikeContext)
  if (!safe.some(({ byValue }) => byValue === true))
    return `int BPF_PROG(${[name, ...safe.map(({ declaration }) => declaration)].join(', ')})`
  return `int BPF_PROG2(${[name, ...safe.flatMap(({ type, name }) => [type, name])].join(', ')})`
}

/** The macros declare a parameter `ctx` of their own. */
function unlikeContext(parameter: HookParameter): HookParameter {
  const { name, declaration } = parameter
  if (name !== 'ctx') return parameter
  return { ...parameter, name: 'ctx_', declaration: declaration.replace(/\bctx\b/, 'ctx_') }
}

function resultOf({ returns = 'void' }: Hook): HookParameter[] {
  return returns === 'void' ? [] : [{ name: 'ret', type: returns, declaration: declare(returns, 'ret') }]
}

/** Arguments after a struct are in other registers than their positions suggest. */
function inRegisters({ parameters }: Hook): string[] {
  const record = parameters.findIndex(({ byValue }) => byValue === true)
  const most = record < 0 ? mostInRegisters : Math.min(record, mostInRegisters)
  return parameters.slice(0, most).map((parameter) => unlikeContext(parameter).declaration)
}

const list = (parameters: readonly HookParameter[]): string =>
  parameters.map(({ declaration }) => declaration).join(', ')

/** For types that end with a word or a star. */
const declare = (type: string, name: string): string => `${type}${type.endsWith('*') ? '' : ' '}${name}`

function comment(what: string, parameters: readonly HookParameter[]): string {
  const isArray = what === 'ctx->args'
  return parameters
    .map(
      ({ declaration, name }, i) =>
        `  // ${isArray ? `${what}[${i}]: ${declaration}` : `${what}->${name}: ${declaration}`}\n`,
    )
    .join('')
}
