import { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { programHandles } from '../native/handles.js'
import type { Program } from '../programs/program.js'
import { u64 } from './attachable.js'

/** Another program at the same hook: the program itself, its link, or the id of either. */
export type AnchorTarget = Link | Program | { readonly programId: number } | { readonly linkId: number }

/** The position among the programs of a hook: `first`, `last`, or next to another program. */
export type Anchor = 'first' | 'last' | { readonly before: AnchorTarget } | { readonly after: AnchorTarget }

export interface AnchorOptions {
  /** The position among the programs that are already attached; last by default. */
  anchor?: Anchor
  /** Fails with ESTALE if the list of programs has changed since the query that returned this revision. */
  revision?: bigint
}

/** The options as numbers for the kernel. */
export interface AnchorNumbers {
  flags: number
  fd: number
  id: number
  revision: bigint
}

const BPF_F_BEFORE = 1 << 3
const BPF_F_AFTER = 1 << 4
const BPF_F_ID = 1 << 5
/** For a struct_ops map, the same bit says that it is registered by links. */
export const BPF_F_LINK = 1 << 13

export function anchorNumbers({ anchor, revision = 0n }: AnchorOptions): AnchorNumbers {
  const numbers = { flags: 0, fd: 0, id: 0, revision: u64('revision', revision) }
  if (anchor === undefined) return numbers
  if (anchor === 'first' || anchor === 'last') {
    return { ...numbers, flags: anchor === 'first' ? BPF_F_BEFORE : BPF_F_AFTER }
  }
  if (typeof anchor !== 'object' || anchor === null || 'before' in anchor === 'after' in anchor) {
    throw new TypeError("anchor must be 'first', 'last', { before } or { after }")
  }
  const isBefore = 'before' in anchor
  const beside = targetNumbers(isBefore ? anchor.before : anchor.after)
  return { ...numbers, ...beside, flags: beside.flags | (isBefore ? BPF_F_BEFORE : BPF_F_AFTER) }
}

function targetNumbers(target: AnchorTarget): { flags: number; fd: number; id: number } {
  if (typeof target !== 'object' || target === null) {
    throw new TypeError('anchor: before and after must be a Link, a Program, { programId } or { linkId }')
  }
  if (target instanceof Link) return { flags: BPF_F_LINK, fd: target.fd, id: 0 }
  if ('programId' in target) return { flags: BPF_F_ID, fd: 0, id: target.programId }
  if ('linkId' in target) return { flags: BPF_F_LINK | BPF_F_ID, fd: 0, id: target.linkId }
  return { flags: 0, fd: native.programFd(programHandles.of(target)), id: 0 }
}

/** Explains why the kernel refused a position in the list. */
export function whyNoPlace(errno: number): string | undefined {
  const words: Record<number, string> = {
    2: 'the program given as anchor is not attached there (any more)',
    17: 'this program is attached there already',
    34: 'there is no room for another program, or the first or last position is taken',
    116: 'the list of programs has changed since the given revision; query it again',
  }
  return words[errno]
}
