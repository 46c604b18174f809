// The verifier rejected a program: what its log says, in one sentence.

import { missingCapabilities } from '../machine/capabilities.js'
import { lockdownOfHelper } from '../machine/lockdown.js'
import type { SourceLine } from './errors.js'
import { readFromEnd, readVerdict, type Verdict } from './verifier-log.js'

/** A verdict, and the sentence about it that an error's message ends with. */
export interface Rejection extends Verdict {
  says: string
}

/** What the verifier log of a rejected program says; `undefined` where it gives no reason. */
export function rejectionIn(log: string, program: string): Rejection | undefined {
  const verdict = readVerdict(log)
  if (verdict.reason === '') return undefined
  const place = placeOf(verdict.source)
  const missing = missingInKernel(log.slice(-readFromEnd))
  if (missing !== undefined) {
    return { ...verdict, reason: missing, says: `program '${program}' ${missing}${place}` }
  }
  const { reason } = verdict
  const because = `${reason}${lockdownIn(reason)}${capabilityIn(reason)}`
  return { ...verdict, says: `the verifier rejected program '${program}': ${because}${place}` }
}

function placeOf(source: SourceLine | undefined): string {
  if (source === undefined) return ''
  const { file, line, text } = source
  return file === '' ? `, at '${text}'` : `, at ${file}:${line}: '${text}'`
}

/** What a CO-RE relocation did not find: "needs struct task_struct.no_such_field". */
function missingInKernel(log: string): string | undefined {
  const [, kind, wanted] =
    /failed to resolve CO-RE relocation <(\w+)> \[\d+\] ([^\n]*?)(?: \([^\n]*\))?\n/.exec(log) ?? []
  // The part after three underscores only tells several declarations of a type apart.
  return wanted && `needs ${wanted.replace(/___\w+/, '')} (CO-RE ${kind}), which this kernel does not have`
}

/** A locked-down kernel forbids some helpers that programs of that type otherwise may call. */
function lockdownIn(reason: string): string {
  const [, helper = ''] = /(?:unknown func|cannot use helper) bpf_(\w+)#/.exec(reason) ?? []
  const mode = lockdownOfHelper(helper)
  return mode === undefined ? '' : ` (the kernel is locked down: ${mode})`
}

/** The verifier forbids some things only to programs that are loaded without CAP_PERFMON. */
function capabilityIn(reason: string): string {
  const forPrivileged = /pointer comparison prohibited|prohibited for !root|leaks addr/.test(reason)
  return forPrivileged && missingCapabilities(['CAP_PERFMON']).length > 0
    ? ' (the verifier would allow it with CAP_PERFMON, which this process lacks)'
    : ''
}
