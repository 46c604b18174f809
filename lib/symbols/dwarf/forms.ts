// Attributes are stored in forms, which say how many bytes a value has and what it means (DWARF 5, 7.5.6).
import type { Cursor } from './cursor.js'

/** How a unit stores numbers. */
export interface Format {
  readonly version: number
  readonly addressSize: number
  readonly offsetSize: 4 | 8
}

export const form = {
  addr: 0x01,
  block2: 0x03,
  block4: 0x04,
  data2: 0x05,
  data4: 0x06,
  data8: 0x07,
  string: 0x08,
  block: 0x09,
  block1: 0x0a,
  data1: 0x0b,
  flag: 0x0c,
  sdata: 0x0d,
  strp: 0x0e,
  udata: 0x0f,
  ref_addr: 0x10,
  ref1: 0x11,
  ref2: 0x12,
  ref4: 0x13,
  ref8: 0x14,
  ref_udata: 0x15,
  indirect: 0x16,
  sec_offset: 0x17,
  exprloc: 0x18,
  flag_present: 0x19,
  strx: 0x1a,
  addrx: 0x1b,
  ref_sup4: 0x1c,
  strp_sup: 0x1d,
  data16: 0x1e,
  line_strp: 0x1f,
  ref_sig8: 0x20,
  implicit_const: 0x21,
  loclistx: 0x22,
  rnglistx: 0x23,
  ref_sup8: 0x24,
  strx1: 0x25,
  strx2: 0x26,
  strx3: 0x27,
  strx4: 0x28,
  addrx1: 0x29,
  addrx2: 0x2a,
  addrx3: 0x2b,
  addrx4: 0x2c,
  GNU_ref_alt: 0x1f20,
  GNU_strp_alt: 0x1f21,
} as const

/** Numbers of variable length. */
const lebs: ReadonlySet<number> = new Set([
  form.sdata,
  form.udata,
  form.ref_udata,
  form.strx,
  form.addrx,
  form.loclistx,
  form.rnglistx,
])

/** Forms with the same number of bytes in every unit. */
const sizes = new Map<number, number>([
  [form.data1, 1],
  [form.data2, 2],
  [form.data4, 4],
  [form.data8, 8],
  [form.data16, 16],
  [form.flag, 1],
  [form.flag_present, 0],
  [form.implicit_const, 0],
  [form.ref1, 1],
  [form.ref2, 2],
  [form.ref4, 4],
  [form.ref8, 8],
  [form.ref_sig8, 8],
  [form.ref_sup4, 4],
  [form.ref_sup8, 8],
  [form.strx1, 1],
  [form.strx2, 2],
  [form.strx3, 3],
  [form.strx4, 4],
  [form.addrx1, 1],
  [form.addrx2, 2],
  [form.addrx3, 3],
  [form.addrx4, 4],
])

/** The bytes of a value; `undefined` if the value itself says how many it has. */
export function sizeOfForm(kind: number, { version, addressSize, offsetSize }: Format): number | undefined {
  switch (kind) {
    case form.addr:
      return addressSize
    case form.ref_addr:
      return version === 2 ? addressSize : offsetSize
    case form.strp:
    case form.line_strp:
    case form.strp_sup:
    case form.sec_offset:
    case form.GNU_ref_alt:
    case form.GNU_strp_alt:
      return offsetSize
    default:
      return sizes.get(kind)
  }
}

/** @throws RangeError for a form that does not exist */
export function skipForm(cursor: Cursor, kind: number, format: Format): void {
  let actual = kind
  while (actual === form.indirect) actual = cursor.uleb()
  if (lebs.has(actual)) cursor.skipLeb()
  else if (actual === form.string) cursor.skipText()
  else cursor.skip(sizeOfForm(actual, format) ?? sizeOfBlock(cursor, actual))
}

/** Reads how many bytes follow. */
function sizeOfBlock(cursor: Cursor, kind: number): number {
  switch (kind) {
    case form.block1:
      return cursor.u8()
    case form.block2:
      return cursor.u16()
    case form.block4:
      return cursor.u32()
    case form.block:
    case form.exprloc:
      return cursor.uleb()
    default:
      throw new RangeError(`a value has the form 0x${kind.toString(16)}, which does not exist`)
  }
}

/** Reads a number, an address, an index or an offset. Text within the unit, blocks and others are `undefined`. */
export function numberIn(cursor: Cursor, kind: number, constant: number, format: Format): number | undefined {
  if (kind === form.implicit_const) return constant
  if (kind === form.flag_present) return 1
  if (kind === form.sdata) return cursor.sleb()
  if (lebs.has(kind)) return cursor.uleb()
  const size = sizeOfForm(kind, format)
  if (size !== undefined && size <= 8) return cursor.unsigned(size)
  skipForm(cursor, kind, format)
  return undefined
}
