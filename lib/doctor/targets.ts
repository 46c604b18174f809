// Whether what a program's section names is there to attach to.
import { existsSync } from 'node:fs'
import { didYouMean } from '../errors/nearest.js'
import { hasKprobes, kernelFunctions } from '../machine/kallsyms.js'
import { kernelTypes } from '../machine/kernel-types.js'
import { lockdown } from '../machine/lockdown.js'
import { missingTracefs, whyNoTracepoint } from '../machine/tracefs.js'

/** Why a section's target can't be attached to; `undefined` where it can, or where nothing can be told without trying. */
export function missingTarget(section: string): { says: string; fix?: string } | undefined {
  const slash = section.indexOf('/')
  if (slash < 0) return undefined
  const kind = section.slice(0, slash).replace(/^\?/, '').replace(/\.s$/, '')
  const target = section.slice(slash + 1)
  switch (kind) {
    case 'kprobe':
    case 'kretprobe':
      return noKprobe(target.replace(/\+\d+$|\+0x[0-9a-f]+$/i, ''))
    case 'ksyscall':
    case 'kretsyscall':
      return withoutKprobes()
    case 'tp':
    case 'tracepoint':
      return noTracepoint(target)
    case 'raw_tp':
    case 'raw_tracepoint':
    case 'raw_tp.w':
    case 'raw_tracepoint.w':
    case 'tp_btf':
      return noType('typedef', `btf_trace_${target}`, 'raw tracepoint', target, 'btf_trace_')
    case 'fentry':
    case 'fexit':
    case 'fmod_ret':
    case 'fsession':
      return noType('func', target, 'kernel function', target, '')
    case 'lsm':
    case 'lsm_cgroup':
      return noType('func', `bpf_lsm_${target}`, 'LSM hook', target, 'bpf_lsm_')
    case 'iter':
      return noType('func', `bpf_iter_${target}`, 'iterator', target, 'bpf_iter_')
    case 'uprobe':
    case 'uretprobe':
    case 'usdt':
      return noFile(target)
    default:
      return undefined
  }
}

function withoutKprobes(): { says: string; fix: string } | undefined {
  if (!hasKprobes())
    return {
      says: 'this kernel is built without kprobes',
      fix: 'a kernel with CONFIG_KPROBES=y, or a tracepoint',
    }
  if (lockdown() === 'confidentiality')
    return { says: 'the kernel is locked down, and refuses kprobes', fix: 'fentry, or lockdown=integrity' }
  return undefined
}

function noKprobe(name: string): { says: string; fix?: string } | undefined {
  const without = withoutKprobes()
  if (without !== undefined) return without
  const names = kernelFunctions()
  if (names.length === 0 || names.includes(name)) return undefined
  return { says: `there is no kernel function '${name}'${didYouMean(name, names)}` }
}

function noTracepoint(target: string): { says: string; fix?: string } | undefined {
  const tracefs = missingTracefs()
  if (tracefs !== undefined) {
    return { says: `tracepoints are looked up in tracefs, which is ${tracefs.is}`, fix: tracefs.fix }
  }
  const [category = '', name = ''] = target.split('/')
  const says = whyNoTracepoint(category, name)
  return says === undefined ? undefined : { says }
}

function noType(
  kind: 'func' | 'typedef',
  name: string,
  what: string,
  target: string,
  prefix: string,
): { says: string } | undefined {
  const types = kernelTypes()
  if (types === undefined || types.find(name, kind) !== undefined) return undefined
  const names = [...types.names(kind)].filter((known) => known.startsWith(prefix))
  return {
    says: `there is no ${what} '${target}'${didYouMean(
      target,
      names.map((known) => known.slice(prefix.length)),
    )}`,
  }
}

/** What is no path is looked up by libbpf when it attaches. */
function noFile(target: string): { says: string } | undefined {
  const [path = ''] = target.split(':')
  return path.startsWith('/') && !existsSync(path) ? { says: `there is no file ${path}` } : undefined
}
