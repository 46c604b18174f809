import { attempt } from '../errors/attempt.js'
import { native } from '../native/binding.js'

/** The kinds of BPF objects that have ids. */
export type Kind = 'program' | 'map' | 'link' | 'btf'

const nextId: Record<Kind, (id: number) => number | undefined> = {
  program: native.programNextId,
  map: native.mapNextId,
  link: native.linkNextId,
  btf: native.btfNextId,
}

/**
 * Lists the ids of all programs, maps, links or BTF objects in the kernel, lowest first. (`bpf_prog_get_next_id`,
 * `bpf_map_get_next_id`, `bpf_link_get_next_id`, `bpf_btf_get_next_id`; Linux 4.13, links 5.8; requires CAP_SYS_ADMIN)
 */
export function* listIds(kind: Kind): Generator<number, undefined> {
  const next = nextId[kind]
  if (next === undefined)
    throw new TypeError(`kind '${kind}' does not exist; the kinds are program, map, link, btf`)
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
