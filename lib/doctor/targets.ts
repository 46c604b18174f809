// Whether the target that a program's section names exists.
import { pathOfBinary, whyNoBinary } from '../attach/binary.js'
import { didYouMean } from '../errors/nearest.js'
import { type BinaryProbes, probesIn } from '../machine/binary-probes.js'
import { globToRegExp } from '../machine/glob.js'
import { hasKprobes, kernelFunctions } from '../machine/kallsyms.js'
import { kernelTypes } from '../machine/kernel-types.js'
import { lockdown } from '../machine/lockdown.js'
import { missingTracefs, whyNoTracepoint } from '../machine/tracefs.js'

interface Missing {
  says: string
  fix?: string
}

/**
 * Why a program cannot be attached to the target in its section; `undefined` if it can, or if only trying would tell.
 */
export function missingTarget(section: string): Missing | undefined {
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
      return noFunction(target)
    case 'uprobe.multi':
    case 'uretprobe.multi':
    case 'uprobe.session':
      return noFunctions(target)
    case 'usdt':
      return noUsdt(target)
    default:
      return undefined
  }
}

function withoutKprobes(): Missing | undefined {
  if (!hasKprobes())
    return {
      says: 'this kernel is built without kprobes',
      fix: 'use a kernel with CONFIG_KPROBES=y, or a tracepoint',
    }
  if (lockdown() === 'confidentiality')
    return {
      says: 'the kernel is locked down and refuses kprobes',
      fix: 'use fentry, or boot with lockdown=integrity',
    }
  return undefined
}

function noKprobe(name: string): Missing | undefined {
  const without = withoutKprobes()
  if (without !== undefined) return without
  const names = kernelFunctions()
  if (names.length === 0 || names.includes(name)) return undefined
  return { says: `the kernel has no function '${name}'${didYouMean(name, names)}` }
}

function noTracepoint(target: string): Missing | undefined {
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
): Missing | undefined {
  const types = kernelTypes()
  if (types === undefined || types.find(name, kind) !== undefined) return undefined
  const names = [...types.names(kind)].filter((known) => known.startsWith(prefix))
  return {
    says: `the kernel has no ${what} '${target}'${didYouMean(
      target,
      names.map((known) => known.slice(prefix.length)),
    )}`,
  }
}

// ---- Programs and libraries

/** Calls `look` with the probes of a file, if they can be read. */
function inBinary(binary: string, look: (probes: BinaryProbes) => string | undefined): Missing | undefined {
  const path = pathOfBinary(binary)
  const why = whyNoBinary(binary)
  if (why !== undefined) return { says: why }
  const probes = probesIn(path)
  const says = probes && look(probes)
  return says === undefined ? undefined : { says: `${path} ${says}` }
}

function noFunction(target: string): Missing | undefined {
  const [, binary = '', name = ''] = /^([^:]+):([\w.@]+)(?:\+\w+)?$/.exec(target) ?? []
  // A number is an address in the file.
  if (name === '' || /^(0x[0-9a-f]+|\d+)$/i.test(name)) return undefined
  const [bare = name] = name.split('@')
  return inBinary(binary, ({ functions }) =>
    functions.has(bare) ? undefined : `has no function '${name}'${didYouMean(bare, functions)}`,
  )
}

function noFunctions(target: string): Missing | undefined {
  const [, binary = '', pattern = ''] = /^([^:]+):([\w.@*?]+)$/.exec(target) ?? []
  if (pattern === '') return undefined
  if (!/[*?]/.test(pattern)) return noFunction(target)
  const matcher = globToRegExp(pattern)
  return inBinary(binary, ({ functions }) =>
    [...functions].some((name) => matcher.test(name))
      ? undefined
      : `has no function that matches '${pattern}'`,
  )
}

function noUsdt(target: string): Missing | undefined {
  const [, binary = '', probe = ''] = /^([^:]+):([^:]+:[^:]+)$/.exec(target) ?? []
  if (probe === '') return undefined
  return inBinary(binary, ({ usdt }) =>
    usdt.has(probe) ? undefined : `has no USDT probe '${probe}'${didYouMean(probe, usdt.keys())}`,
  )
}
