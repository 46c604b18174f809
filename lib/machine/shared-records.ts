// Tracepoints that record the same members share a struct (DECLARE_EVENT_CLASS). The kernel's BTF does not say which
// one: for sched/sched_wakeup, it is trace_event_raw_sched_wakeup_template. The format in tracefs says what its members
// are.
import type { BtfTypes } from '../btf/parse.js'
import type { BtfStruct } from '../btf/types.js'
import { eventsFolder, fieldsOf } from './tracefs.js'

const prefix = 'trace_event_raw_'

/** The structs of tracepoints by their members. */
const records = new WeakMap<BtfTypes, ReadonlyMap<string, BtfStruct[]>>()

/**
 * The struct that a tracepoint shares with others; `undefined` if tracefs cannot be read.
 *
 * @param btf - of the running kernel
 * @param name - such as `sched/sched_wakeup`
 */
export function sharedRecord(btf: BtfTypes, name: string): BtfStruct | undefined {
  const folder = eventsFolder()
  const fields = folder === undefined ? undefined : fieldsOf(`${folder}/${name}`)
  if (fields === undefined || fields.length === 0) return undefined
  const members = fields.map(({ name, offset, size }) => `${name} ${offset} ${size}`).join()
  const known = records.get(btf) ?? recordsIn(btf)
  records.set(btf, known)
  // Structs with the same members are equally good; the one whose name is most like the tracepoint's is its own.
  const event = name.slice(name.indexOf('/') + 1)
  const likeness = ({ name }: BtfStruct): number => commonLength(name.slice(prefix.length), event)
  return [...(known.get(members) ?? [])].sort((a, b) => likeness(b) - likeness(a))[0]
}

function recordsIn(btf: BtfTypes): Map<string, BtfStruct[]> {
  const found = new Map<string, BtfStruct[]>()
  for (const record of btf.ofKind('struct', (name) => name.startsWith(prefix))) {
    const members = record.members
      // Without the common part and the text after the record.
      .filter(({ name }) => name !== 'ent' && name !== '__data')
      .map(
        ({ name, typeId, bitOffset }) =>
          `${name.replace(/^__(data|rel)_loc_/, '')} ${bitOffset / 8} ${btf.sizeOf(typeId)}`,
      )
      .join()
    found.set(members, [...(found.get(members) ?? []), record])
  }
  return found
}

function commonLength(a: string, b: string): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return length
}
