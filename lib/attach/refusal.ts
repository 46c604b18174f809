import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { noSuchHook, noSuchTracepoint } from '../errors/hints.js'
import type { LinkSubject } from '../links/attachment.js'
import { missingCapabilities } from '../machine/capabilities.js'
import {
  hasKprobes,
  moduleOf,
  tracepointFunction,
  whyNoKprobeMulti,
  whyNoProbe,
} from '../machine/kallsyms.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { whyNoTracepoint } from '../machine/tracefs.js'
import { native } from '../native/binding.js'
import { attachTypeName, type ProgramType, programTypeNumber } from '../native/type-names.js'

/** What a trial needs to know about a program. The program does not have to be loaded. */
export interface Trial {
  readonly name: string
  readonly section: string
  readonly type: ProgramType
  /** The kernel's number of the attach type. */
  readonly attachType: number
  /** The target from setAttachTarget(), which takes precedence over SEC(). */
  readonly target: string | undefined
  readonly subject: LinkSubject
}

/**
 * Finds out why this kernel would refuse a program of that kind at that hook. Where that is safe, it attaches a
 * program that does nothing; elsewhere it only looks the hook up.
 */
export function refusalOf(program: Trial): BpfError | undefined {
  const [, kind = '', named] = /^([^/]+)(?:\/(.+))?$/.exec(program.section) ?? []
  const target = program.target ?? named
  const subject = {
    ...program.subject,
    target,
    what: `program '${program.name}' cannot be attached to SEC("${program.section}")`,
  }
  const why = whyNoHook(kind, target)
  if (why !== undefined) {
    return new BpfError(`${subject.what}: ${why}`, {
      ...subject,
      code: 'ENOENT',
      errno: constants.errno.ENOENT,
    })
  }
  const attachType = attachTypeName(program.attachType)
  const isMulti = attachType === 'trace_kprobe_multi' || attachType === 'trace_kprobe_session'
  const tryable = isMulti ? !/[*?]/.test(target ?? '*') : triedOnTarget.has(program.type)
  // Their section does not name the target.
  if (program.type === 'struct_ops' || program.type === 'ext') return undefined
  const attempted = (target: string | undefined, module?: string): BpfError | undefined => {
    const reason = ({ errno }: NativeError): string | undefined =>
      whyRefused(errno, program.type, target, module)
    try {
      attempt({ ...subject, reason }, () =>
        native.trial(
          programTypeNumber(program.type),
          program.attachType,
          kind.endsWith('.s') || program.type === 'syscall',
          target,
          module,
        ),
      )
      return undefined
    } catch (error) {
      if (error instanceof BpfError) return error
      throw error
    }
  }
  const name = tryable ? target : undefined
  if (program.type !== 'tracing' || name === undefined) return attempted(name)
  // The same order as libbpf's: in the module that is named; otherwise in the kernel, then in its modules.
  const [, given, symbol = name] = /^(\w+):(.+)$/.exec(name) ?? []
  const refusal = given === undefined ? attempted(name) : undefined
  if (given === undefined && !isAbsent(refusal)) return refusal
  const module = given ?? moduleOf(attachType === 'trace_raw_tp' ? tracepointFunction(symbol) : symbol)
  return module === undefined ? refusal : attempted(symbol, module)
}

const isAbsent = (error: BpfError | undefined): boolean => error?.code === 'ENOENT' || error?.code === 'ESRCH'

const triedOnTarget = new Set<ProgramType>(['tracing', 'lsm', 'raw_tracepoint'])

/** Looks up the hooks for which that is enough. */
function whyNoHook(kind: string, target: string | undefined): string | undefined {
  if (/^(k(ret)?probe|k(ret)?syscall)$/.test(kind)) {
    if (!hasKprobes() || kind.endsWith('syscall') || target === undefined) {
      return hasKprobes() ? undefined : whyNoProbe('')
    }
    const [symbol = target] = target.split('+')
    return whyNoProbe(symbol, 'exists')
  }
  if (/^(tp|tracepoint)$/.test(kind) && target !== undefined) {
    const [category = '', name = ''] = target.split('/')
    return whyNoTracepoint(category, name)
  }
  if (/^k(ret)?probe\.(multi|session)$/.test(kind)) {
    return tooOldFor(kind.endsWith('session') ? '6.10' : '5.18') ?? whyNoKprobeMulti()
  }
  if (/^u(ret)?probe\.(multi|session)(\.s)?$/.test(kind))
    return tooOldFor(kind.includes('session') ? '6.13' : '6.6')
  return /^lsm(\.s|_cgroup)?$/.test(kind) ? whyNoLsm() : undefined
}

/** If "bpf" is not in this list, the kernel attaches LSM programs but never runs them. */
function whyNoLsm(): string | undefined {
  const list = '/sys/kernel/security/lsm'
  if (!existsSync(list)) return undefined
  const active = readFileSync(list, 'utf8').trim()
  if (active.split(',').includes('bpf')) return undefined
  return `this kernel would not run it, because bpf is not among its security modules (${active}); boot with lsm=${active},bpf`
}

function whyRefused(
  errno: number,
  type: ProgramType,
  target: string | undefined,
  module: string | undefined,
): string | undefined {
  const { ENOENT, ESRCH, EPERM } = constants.errno
  if (errno === EPERM) {
    return module !== undefined && missingCapabilities(['CAP_SYS_ADMIN']).length > 0
      ? `it is in module '${module}', and reading the types of a module requires CAP_SYS_ADMIN`
      : undefined
  }
  if ((errno === ENOENT || errno === ESRCH) && target !== undefined) {
    return type === 'raw_tracepoint' ? noSuchTracepoint(target) : noSuchHook(target)
  }
  if (target === undefined && (type === 'tracing' || type === 'lsm')) {
    return 'the target is missing: name it in SEC() or with setAttachTarget()'
  }
  return `this kernel does not support ${type} programs${target === undefined ? '' : ' there'}`
}
