// Random conditions: comparisons, text, what is in a map, and calls that tell whether they could.

import {
  type Condition,
  Expressions,
  encoder,
  type MapOf,
  type Scope,
  tableOf,
  texts,
} from './expressions.js'
import type { Place } from './places.js'
import { type Chars, common, compare, copyOf, load, promoted, sizeOf, store, wrap } from './types.js'
import type { Frame } from './world.js'

const comparisons = ['<', '<=', '>', '>=', '===', '!==']

export abstract class Conditions extends Expressions {
  override condition(scope: Scope, depth: number): Condition {
    switch (depth <= 0 ? 19 : this.random.below(16)) {
      case 0: {
        const inner = this.condition(scope, depth - 1)
        return { text: `!(${inner.text})`, holds: (frame) => !inner.holds(frame) }
      }
      case 1:
      case 2:
      case 3: {
        const [a, b] = [this.condition(scope, depth - 1), this.condition(scope, depth - 1)]
        const isLoose = a.isLoose === true || b.isLoose === true
        return this.once(2)
          ? { text: `(${a.text} && ${b.text})`, isLoose, holds: (frame) => a.holds(frame) && b.holds(frame) }
          : { text: `(${a.text} || ${b.text})`, isLoose, holds: (frame) => a.holds(frame) || b.holds(frame) }
      }
      case 4: {
        const inner = this.expression(scope, depth - 1)
        return { text: inner.text, isLoose: true, holds: (frame) => inner.value(frame) !== 0n }
      }
      case 5:
      case 6: {
        const found = this.#textCondition(scope)
        if (found) return found
        break
      }
      case 7: {
        const found = this.#isThere(scope, depth)
        if (found) return found
        break
      }
      case 8: {
        const found = this.change(scope, depth)
        if (found) return found
      }
    }
    let operator = this.one(comparisons)
    const left = this.expression(scope, Math.max(0, depth - 1))
    const right = this.once(3)
      ? this.literalFor(promoted(left.type!))
      : this.expression(scope, Math.max(0, depth - 1))
    const type = right.type ? common(left.type!, right.type) : promoted(left.type!)
    const isSwapped = right.type === undefined && this.once(4)
    const [first, second] = isSwapped ? [right, left] : [left, right]
    // A number without a sign is not less or more than a negative one: the compiler refuses that.
    if (right.type === undefined && !type.signed && right.value(undefined as never) < 0n)
      operator = this.one(['===', '!=='])
    return {
      text: `${first.text} ${operator} ${second.text}`,
      holds(frame) {
        const a = wrap(type, first.value(frame))
        return compare(operator, a, wrap(type, second.value(frame)))
      },
    }
  }

  #isThere(scope: Scope, depth: number): Condition | undefined {
    const maps = this.maps('hash', 'array', 'percpuHash', 'percpuArray')
    if (maps.length === 0) return undefined
    const map = this.one(maps)
    const key = this.fill(scope, map.key, depth - 1, true)
    const isThere = (frame: Frame): boolean => tableOf(frame, map).get(key.bytes(frame)) !== undefined
    const call = `${map.name}.get(${key.text})`
    return this.once(2)
      ? { text: `${call} !== null`, holds: isThere }
      : { text: call, isLoose: true, holds: isThere }
  }

  /** A call that changes a map, and tells whether it could. */
  change(scope: Scope, depth: number): (Condition & { map: string }) | undefined {
    const maps = this.declared.maps.filter(({ name }) => !scope.held.has(name))
    return maps.length === 0 ? undefined : this.changeOf(this.one(maps), scope, depth)
  }

  protected changeOf(map: MapOf, scope: Scope, depth: number): Condition & { map: string } {
    const { name } = map
    if (map.word === 'queue' || map.word === 'stack') {
      const value = this.fill(scope, map.value, depth - 1)
      return {
        map: name,
        text: `${name}.push(${value.text})`,
        holds: (frame) => tableOf(frame, map).push(value.bytes(frame)),
      }
    }
    const key = this.fill(scope, map.key, depth - 1, true)
    const { value: type } = map
    if (type.kind === 'int' && type.bits >= 32 && !type.big && this.once(2)) {
      const amount = this.converted(scope, type, depth - 1)
      return {
        map: name,
        text: `${name}.add(${key.text}, ${amount.text})`,
        holds(frame) {
          const first = key.isPlace ? undefined : key.bytes(frame)
          const by = amount.value(frame)
          const at = first ?? key.bytes(frame)
          const table = tableOf(frame, map)
          if (table.get(at) === undefined) table.set(at, new Uint8Array(sizeOf(type)))
          const found = table.get(at)
          if (found !== undefined) store(found, type, load(found, type) + by)
          return found !== undefined
        },
      }
    }
    const isArray = /array$/i.test(map.word)
    if (this.once(4) && !isArray) {
      return {
        map: name,
        text: `${name}.delete(${key.text})`,
        holds: (frame) => tableOf(frame, map).delete(key.bytes(frame)),
      }
    }
    const value = this.fill(scope, type, depth - 1)
    const [method, when] = this.one([
      ['set', 'any'],
      ['set', 'any'],
      // The elements of an array are always there.
      isArray ? (['set', 'any'] as const) : (['setNew', 'new'] as const),
      ['setExisting', 'there'],
    ] as const)
    return {
      map: name,
      text: `${name}.${method}(${key.text}, ${value.text})`,
      holds(frame) {
        const first = key.isPlace ? undefined : key.bytes(frame)
        const bytes = value.bytes(frame)
        return tableOf(frame, map).set(first ?? key.bytes(frame), bytes, when)
      },
    }
  }

  #textCondition(scope: Scope): Condition | undefined {
    const places = scope.places.filter((place): place is Place<Chars> => place.type.kind === 'chars')
    if (places.length === 0) return undefined
    const { text, at, type } = this.one(places)
    const literal = this.one(texts.filter((text) => encoder.encode(text).length < type.length))
    const wanted = encoder.encode(literal)
    const has = (frame: Frame, bytes: Uint8Array): boolean =>
      Buffer.from(copyOf(at(frame), bytes.length)).equals(bytes)
    if (wanted.length > 0 && this.once(2))
      return { text: `${text}.startsWith('${literal}')`, holds: (frame) => has(frame, wanted) }
    const isNegated = this.once(2)
    const whole = Uint8Array.of(...wanted, 0)
    return {
      text: `${text} ${isNegated ? '!==' : '==='} '${literal}'`,
      holds: (frame) => has(frame, whole) !== isNegated,
    }
  }
}
