import type { Subject } from '../errors/explain.js'
import { capabilitiesFor } from '../machine/capabilities.js'
import { differences, layoutOf } from '../maps/layout.js'
import { BpfMap } from '../maps/map.js'
import type { BpfObject } from './object.js'
import { whyUnsupported } from './unsupported.js'

/** Programs can only read the map. */
const BPF_F_RDONLY_PROG = 1 << 7

/**
 * What an error of loading is about.
 *
 * @internal
 */
export function loadSubject(object: BpfObject, btfCustom: string | undefined): Subject {
  return {
    what: `load object '${object.name}'`,
    object: object.name,
    capabilities: () =>
      capabilitiesFor(
        [...object.programs.values()].filter((p) => p.autoload).map((p) => p.type),
        [...object.maps.values()].map(({ type }) => type),
      ),
    kernelLog: (program) => object.programs.get(program)?.verifierLog ?? '',
    reason: (error) =>
      pinMismatch(error.log, object.maps.values()) ??
      unreadableBtf(error.log, btfCustom) ??
      whyUnsupported(error, object.programs, object.maps),
  }
}

function unreadableBtf(log: string, path: string | undefined): string | undefined {
  // If a file is not an ELF file, a hint already says so, from libbpf's warning. For bytes, the path in that warning
  // means nothing.
  const known =
    path === 'btfCustom'
      ? /failed to parse target BTF/
      : /^(?!.*failed to get EHDR).*failed to parse target BTF/s
  const isIt = known.test(log)
  return isIt ? `${path} cannot be read as BTF to relocate against` : undefined
}

/** Lists every difference between a map and the map that is already pinned at its path. */
function pinMismatch(log: string, maps: Iterable<BpfMap<unknown, unknown>>): string | undefined {
  const path = /couldn't reuse pinned map at '(.+)': parameter mismatch/.exec(log)?.[1]
  const map = [...maps].find(({ isInternal, pinPath }) => !isInternal && pinPath === path)
  if (path === undefined || map === undefined) return undefined
  try {
    using pinned = BpfMap.fromPin(path)
    const found = layoutOf(pinned)
    // The kernel sets this flag on devmaps by itself, and libbpf ignores it.
    if (found.type.startsWith('devmap')) found.flags &= ~BPF_F_RDONLY_PROG
    const list = differences(found, layoutOf(map))
    if (list.length === 0) return undefined
    return `map '${map.name}' does not match the map that is pinned at ${path}, which has ${list.join(', ')}; remove that pin, or declare the map in the same way`
  } catch {
    // The file was removed in the meantime.
    return undefined
  }
}
