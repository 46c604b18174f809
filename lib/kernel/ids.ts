import { attempt } from '../errors/attempt.js'
import { native } from '../native/binding.js'

/** What the kernel numbers. */
export type Kind = 'program' | 'map' | 'link' | 'btf'

const nextId: Record<Kind, (id: number) => number | undefined> = {
  program: native.programNextId,
  map: native.mapNextId,
  link: native.linkNextId,
  btf: native.btfNextId,
}

/**
 * The ids of all programs, maps, links or BTF objects in the kernel, whoever loaded them, lowest first.
 * (`bpf_prog_get_next_id` and its kin, Linux 4.13, links 5.8; CAP_SYS_ADMIN)
 */
export function* ids(kind: Kind): Generator<number, undefined> {
  const next = nextId[kind]
  if (next === undefined)
    throw new TypeError(`kind '${kind}' does not exist; there are program, map, link, btf`)
  let id: number | undefined = 0
  while (true) {
    const last: number = id
    id = attempt({ what: `list the ids of all ${kind}s`, capabilities: () => ['CAP_SYS_ADMIN'] }, () =>
      next(last),
    )
    if (id === undefined) return
    yield id
  }
}
