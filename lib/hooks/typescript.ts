// A BPF program in TypeScript for each hook.
import type { Hook } from './hook.js'
import { type SectionOptions, type Target, Targets } from './section.js'

/** The functions of `libbpf-node/kernel` by section. */
const words: Readonly<Record<string, string>> = {
  tp: 'tracepoint',
  tp_btf: 'tpBtf',
  raw_tp: 'rawTp',
  fentry: 'fentry',
  fexit: 'fexit',
  kprobe: 'kprobe',
  kretprobe: 'kretprobe',
  ksyscall: 'ksyscall',
  kretsyscall: 'kretsyscall',
  uprobe: 'uprobe',
  uretprobe: 'uretprobe',
  usdt: 'usdt',
  lsm: 'lsm',
  lsm_cgroup: 'lsmCgroup',
  iter: 'iter',
  perf_event: 'perfEvent',
  xdp: 'xdp',
  tc: 'tc',
  socket: 'socketFilter',
  sockops: 'sockOps',
  'xdp/devmap': 'xdpDevmap',
  'xdp/cpumap': 'xdpCpumap',
  'tcx/ingress': 'tcIngress',
  'tcx/egress': 'tcEgress',
  'netkit/primary': 'netkitPrimary',
  'netkit/peer': 'netkitPeer',
  'sk_skb/stream_parser': 'skSkbParser',
  'sk_skb/stream_verdict': 'skSkbVerdict',
  'cgroup_skb/ingress': 'cgroupIngress',
  'cgroup_skb/egress': 'cgroupEgress',
  'cgroup/dev': 'cgroupDevice',
  sk_lookup: 'skLookup',
  sk_reuseport: 'skReuseport',
  sk_msg: 'skMsg',
  flow_dissector: 'flowDissector',
  lwt_in: 'lwtIn',
  lwt_out: 'lwtOut',
  lwt_xmit: 'lwtXmit',
  lwt_seg6local: 'lwtSeg6local',
  netfilter: 'netfilter',
  lirc_mode2: 'lircMode2',
}

const verdicts: Readonly<Record<string, string>> = {
  xdp: 'XDP.PASS',
  xdpDevmap: 'XDP.PASS',
  xdpCpumap: 'XDP.PASS',
  tcIngress: 'TC.NEXT',
  tcEgress: 'TC.NEXT',
  netkitPrimary: 'TC.NEXT',
  netkitPeer: 'TC.NEXT',
  skLookup: 'SK.PASS',
  skMsg: 'SK.PASS',
  skSkbVerdict: 'SK.PASS',
  netfilter: 'NF.ACCEPT',
  lwtIn: 'LWT.OK',
  lwtOut: 'LWT.OK',
  lwtXmit: 'LWT.OK',
  lwtSeg6local: 'LWT.OK',
  skReuseport: 'SK.PASS',
  skSkbParser: 'ctx.len',
  socketFilter: 'ctx.len',
}

/** Names that the kernel may use, but TypeScript does not allow. */
const reserved =
  /^(?:arguments|await|break|case|catch|class|const|continue|debugger|default|delete|do|else|enum|eval|export|extends|false|finally|for|function|if|import|in|instanceof|interface|let|new|null|package|private|protected|public|return|static|super|switch|this|throw|true|try|typeof|var|void|while|with|yield)$/

/**
 * Writes a TypeScript file for `libbpf-node/kernel` with a program for each hook. A hook that the language does not
 * support becomes a comment that says so.
 *
 * @throws RangeError if a hook has no section of the kind that `as` says
 */
export function toTypeScript(hooks: Iterable<Hook>, options: SectionOptions = {}): string {
  const targets = new Targets()
  const programs = [...hooks].map((hook) => programFor(hook, targets.of(hook, options)))
  const imports = [...new Set(programs.flatMap(({ uses }) => uses))].sort()
  const head = imports.length === 0 ? '' : `import { ${imports.join(', ')} } from 'libbpf-node/kernel'\n\n`
  return `${head}${programs.map(({ text }) => text).join('\n')}\nexport const license = 'GPL'\n`
}

function programFor(hook: Hook, target: Target): { text: string; uses: string[] } {
  const { section, kind } = target
  // A record without a type in the kernel's BTF is only known to C.
  const isUntyped = kind === 'tp' && hook.context === undefined
  const word = isUntyped ? undefined : wordOf(section ?? '', kind)
  if (word === undefined || section === undefined) {
    const what = hook.kind === 'kfunc' ? `kernel function ${hook.name}` : `SEC("${section}")`
    return { text: `// ${what}: only in C so far, see 'libbpf-node hooks --c'\n`, uses: [] }
  }
  const name = target.name.replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase())
  const hasTarget =
    ['tp', 'tp_btf', 'raw_tp', 'lsm', 'lsm_cgroup', 'iter'].includes(kind) ||
    /probe|syscall|usdt|fe/.test(kind)
  const aim = hasTarget ? `'${section.slice(kind.length + 1)}', ` : ''
  const verdict = verdicts[word] ?? (hook.kind === 'cgroup' || kind === 'lsm_cgroup' ? '1' : '0')
  const [constant] = /^[A-Z]+(?=\.)/.exec(verdict) ?? []
  return {
    text: `export const ${name} = ${word}(${aim}(${parametersOf(hook, kind)}) => {\n  return ${verdict}\n})\n`,
    uses: [word, ...(constant === undefined ? [] : [constant])],
  }
}

function wordOf(section: string, kind: string): string | undefined {
  const known = words[section] ?? words[kind]
  if (known !== undefined || kind !== 'cgroup') return known
  return section.replace(/[/_](\w)/g, (_, letter: string) => letter.toUpperCase())
}

function parametersOf(hook: Hook, kind: string): string {
  const named = hook.parameters.map(({ name }) => (reserved.test(name) ? `${name}_` : name))
  switch (kind) {
    case 'tp_btf':
    case 'raw_tp':
    case 'fentry':
    case 'lsm':
    case 'lsm_cgroup':
    case 'usdt':
      return named.join(', ')
    case 'kprobe':
    case 'ksyscall':
      return named.slice(0, 5).join(', ')
    case 'fexit':
      return [...named, ...(hook.returns === 'void' ? [] : ['ret'])].join(', ')
    case 'kretprobe':
    case 'kretsyscall':
    case 'uretprobe':
      return hook.returns === 'void' ? '' : 'ret'
    case 'uprobe':
      return ''
    default:
      return 'ctx'
  }
}
