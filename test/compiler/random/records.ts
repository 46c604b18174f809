// Random records for ring buffers, and lines for the kernel's trace.
import { Conditions } from './conditions.js'
import type { Condition, Scope } from './expressions.js'
import { copyOf, type Struct, sizeOf, type Type, written } from './types.js'
import type { Frame, Ring } from './world.js'

/** Statements that leave something for user space. */
export interface Recorded {
  readonly text: () => string
  readonly run: (frame: Frame) => undefined
}

const ringOf = ({ world }: Frame, name: string): Ring => world.rings.get(name)!

export abstract class Records extends Conditions {
  abstract newName(letter?: string): string

  override change(scope: Scope, depth: number): (Condition & { map: string }) | undefined {
    return this.once(2)
      ? (this.emission(scope, depth) ?? super.change(scope, depth))
      : super.change(scope, depth)
  }

  /** `ring.emit(...)`, which tells whether there was room. */
  protected emission(scope: Scope, depth: number): (Condition & { map: string }) | undefined {
    const { rings } = this.declared
    if (rings.length === 0) return undefined
    const { name, records } = this.one(rings)
    const type = this.one(records)
    const word = `${name}.emit${records.length > 1 || this.once(4) ? `<${type.name}>` : ''}`
    const places = scope.places.filter((place) => place.type === type)
    if (places.length > 0 && this.once(3)) {
      const { text, at } = this.one(places)
      return {
        map: name,
        text: `${name}.emit(${text})`,
        holds: (frame) => ringOf(frame, name).reserve(copyOf(at(frame), type.size)),
      }
    }
    const value = this.literal(scope, type, Math.max(0, depth - 1))
    return {
      map: name,
      text: `${word}(${value.text})`,
      holds(frame) {
        // The record has its place before its members are computed, which may emit others.
        const record = new Uint8Array(type.size)
        if (!ringOf(frame, name).reserve(record)) return false
        record.set(value.bytes(frame))
        return true
      },
    }
  }

  /** A record that is reserved, filled member by member, and submitted or discarded. */
  protected reservation(scope: Scope): Recorded | undefined {
    const rings = this.declared.rings.flatMap(({ name, records }) =>
      records.filter(isWithoutGaps).map((type) => ({ name, type, isOne: records.length === 1 })),
    )
    if (rings.length === 0) return undefined
    const { name, type, isOne } = this.one(rings)
    const record = this.newName('r')
    const members = type.members.map((member) => ({ ...member, value: this.fill(scope, member.type, 1) }))
    if (this.once(2)) members.reverse()
    const isKept = this.condition(scope, 1)
    const isDynptr = this.declared.hasDynptrs && this.once(2)
    const reserve = isDynptr
      ? `${name}.reserveDynptr(sizeof<${type.name}>())`
      : `${name}.reserve${isOne && this.once(2) ? '' : `<${type.name}>`}()`
    const fill = ({ name: member, type, offset, value }: (typeof members)[number]): string =>
      isDynptr
        ? `  ${record}.write<${written(type)}>(${offset}, ${value.text})`
        : `  ${record}.${member} = ${value.text}`
    const lines = [
      `const ${record} = ${reserve}`,
      `if (${record}) {`,
      ...members.map(fill),
      `  if (${isKept.text}) ${name}.submit(${record})`,
      `  else ${name}.discard(${record})`,
      '}',
    ]
    return {
      text: () => lines.join('\n'),
      run(frame) {
        const bytes = new Uint8Array(type.size)
        const ring = ringOf(frame, name)
        if (!ring.reserve(bytes)) return undefined
        for (const { value, offset } of members) bytes.set(value.bytes(frame), offset)
        if (!isKept.holds(frame)) ring.discard(bytes)
        return undefined
      },
    }
  }

  /** A line for the trace, which the kernel is not made to write. */
  protected printing(scope: Scope): Recorded {
    const values = Array.from({ length: 1 + this.random.below(3) }, () => this.#printed(scope))
    const [first = '', ...others] = values.map(() => this.one(['', ' ', 'a=', ' is ', '%', 'ä: ']))
    const texts = [first, ...others]
    const line = texts.map((text, i) => `${text}\${${values[i]!.text}}`).join('')
    return {
      text: () => `if (silent === 0) print(\`${line}\`)`,
      run(frame) {
        const parts = values.map(({ shown }) => shown(frame))
        const isKnown = parts.every((part) => part !== undefined)
        frame.world.printed.push(isKnown ? texts.map((text, i) => text + parts[i]!).join('') : undefined)
        return undefined
      },
    }
  }

  /** A value of a line; undefined if its text has no end, or is no text. */
  #printed(scope: Scope): { text: string; shown: (frame: Frame) => string | undefined } {
    const texts = scope.places.filter(({ type }) => type.kind === 'chars')
    if (texts.length > 0 && this.once(3)) {
      const { text, at, type } = this.one(texts)
      return {
        text,
        shown(frame) {
          const bytes = copyOf(at(frame), sizeOf(type))
          const end = bytes.indexOf(0)
          const own = bytes.subarray(0, end)
          return end < 0 || own.some((byte) => byte >= 0x80 || byte === lineFeed)
            ? undefined
            : Buffer.from(own).toString('latin1')
        },
      }
    }
    // Nothing that changes anything: in the kernel it is not reached.
    const number = this.leaf(scope)
    return { text: number.text, shown: (frame) => String(number.value(frame)) }
  }
}

/** One at the end of a line is none of its text. */
const lineFeed = 10

/** Whether each byte of a struct belongs to a member: what a record has in between is what was there before. */
function isWithoutGaps(type: Type): boolean {
  if (type.kind === 'array') return isWithoutGaps(type.of)
  if (type.kind !== 'struct') return true
  const { members, size } = type as Struct
  const sum = members.reduce((sum, member) => sum + sizeOf(member.type), 0)
  return sum === size && members.every((member) => isWithoutGaps(member.type))
}
