// Finds out, from the declarations, why the kernel refused a map, or refused a program before verifying it.
import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { rejectedProgram } from '../errors/verifier-log.js'
import { features } from '../features/features.js'
import { wrongLayout } from '../maps/limits.js'
import type { BpfMap } from '../maps/map.js'
import type { Program } from '../programs/program.js'

const { E2BIG, EINVAL, ENOMEM } = constants.errno

/** The reason in words; `undefined` if the declarations are fine as far as we know. */
export function whyUnsupported(
  { errno, log }: NativeError,
  programs: ReadonlyMap<string, Program>,
  maps: ReadonlyMap<string, BpfMap<unknown, unknown>>,
): string | undefined {
  const [, failedMap = ''] = /map '([^']+)': failed to create: /.exec(log) ?? []
  const map = maps.get(failedMap)
  if (map !== undefined) return whyNoMap(map, errno)
  // libbpf has refused the program itself, so the kernel was never asked.
  if (log.includes('failed to prepare load attributes')) return undefined
  const program = programs.get(rejectedProgram(log) ?? '')
  return program !== undefined && errno === EINVAL ? whyNoProgram(program) : undefined
}

function whyNoMap(map: BpfMap<unknown, unknown>, errno: number): string | undefined {
  const { name, type, keySize, valueSize, maxEntries } = map
  if (errno !== EINVAL && errno !== E2BIG && errno !== ENOMEM) return undefined
  const wrong = wrongLayout(map, name)
  if (wrong !== undefined) {
    const help = maxEntries === 0 ? `; set map('${name}').maxEntries before load` : ''
    return `map '${name}' cannot be created: ${wrong}${help}`
  }
  const { answer, reason } = features.mapType(type)
  if (answer === 'no') return `map '${name}' is of type ${type}, which this kernel lacks: ${reason}`
  if (errno === EINVAL) return undefined
  const size = `${maxEntries} entries with keys of ${keySize} and values of ${valueSize} bytes`
  return errno === E2BIG
    ? `map '${name}' cannot be created: ${size} are more than the kernel allows; lower maxEntries or the sizes`
    : `map '${name}' cannot be created: there is not enough memory for ${size}; lower maxEntries or the sizes`
}

function whyNoProgram({ name, type, expectedAttachType }: Program): string | undefined {
  if (type === 'unspec') return undefined
  const program = features.programType(type)
  if (program.answer === 'no')
    return `program '${name}' is of type ${type}, which this kernel lacks: ${program.reason}`
  const attach = features.attachType(expectedAttachType)
  return attach.answer === 'no'
    ? `program '${name}' is for attach type ${expectedAttachType}, which this kernel lacks: ${attach.reason}`
    : undefined
}
