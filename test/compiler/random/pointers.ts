// Random statements that use a pointer into a map or into the packet.
import { tableOf } from './expressions.js'
import {
  type Around,
  block,
  indent,
  type Leaving,
  lines,
  runAll,
  type Statement,
  type Step,
} from './statement.js'
import { bool, copyOf, type Ref, sizeOf, type Type, u32 } from './types.js'
import { Variables } from './variables.js'
import type { Frame } from './world.js'

export abstract class Pointers extends Variables {
  abstract list(depth: number, around: Around): Statement[]
  protected abstract leaving(scope: Around): Leaving

  protected mapStatement(scope: Around): Step {
    switch (this.random.below(4)) {
      case 0: {
        const found = this.change(scope, 2)
        if (found) {
          return {
            statement: {
              text: () => found.text,
              run(frame) {
                found.holds(frame)
                return undefined
              },
            },
          }
        }
        break
      }
      case 1: {
        const queues = this.maps('queue', 'stack').filter(({ name }) => !scope.held.has(name))
        if (queues.length === 0) break
        const map = this.one(queues)
        const stays = this.once(3)
        this.changes.add(map.name)
        return this.#pointer(scope, `${map.name}.${stays ? 'peek' : 'pop'}()`, map.value, scope, (frame) =>
          tableOf(frame, map).take(stays),
        )
      }
    }
    if (this.once(2)) {
      const found = this.#throughOuter(scope)
      if (found) return found
    }
    const maps = this.maps('hash', 'array', 'percpuHash', 'percpuArray')
    if (maps.length === 0) return { statement: this.assignment(scope) }
    const map = this.one(maps)
    const key = this.fill(scope, map.key, 1, true)
    const held = new Set([...scope.held, map.name])
    return this.#pointer(scope, `${map.name}.get(${key.text})`, map.value, { ...scope, held }, (frame) =>
      tableOf(frame, map).get(key.bytes(frame)),
    )
  }

  /** A map that is found in a map of maps, and a change of it or a pointer into it. */
  #throughOuter(scope: Around): Step | undefined {
    const outers = this.declared.outers.filter(({ inner }) => !scope.held.has(inner.name))
    if (outers.length === 0) return undefined
    const { name: outer, inner } = this.one(outers)
    const index = this.expression(scope, 1)
    const name = this.newName()
    const map = { ...inner, name, table: inner.name }
    const isThere = (frame: Frame): boolean => BigInt.asUintN(32, index.value(frame)) % 2n === 0n
    const declaration = `const ${name} = ${outer}.get(u32(${index.text}) & 1)`
    if (this.once(2)) {
      this.changes.add(inner.name)
      const change = this.changeOf(map, scope, 1)
      return {
        statement: {
          text: () => `${declaration}\nif (${name}) ${change.text}`,
          run: (frame) => void (isThere(frame) && change.holds(frame)),
        },
      }
    }
    const key = this.fill(scope, inner.key, 1, true)
    const held = new Set([...scope.held, inner.name])
    const { statement } = this.#pointer(
      { ...scope, loops: [], mayReturn: false },
      `${name}.get(${key.text})`,
      inner.value,
      { ...scope, held },
      (frame) => tableOf(frame, map).get(key.bytes(frame)),
    )
    return {
      statement: {
        text: () => `${declaration}\nif (${name}) ${block([statement])}`,
        run: (frame) => (isThere(frame) ? statement.run(frame) : undefined),
        ...(statement.parts && { parts: statement.parts }),
      },
    }
  }

  /** A pointer that may be null, and what is done if it is not. */
  #pointer(
    scope: Around,
    text: string,
    type: Type,
    inside: Around,
    find: (frame: Frame) => Ref | undefined,
    before: readonly string[] = [],
  ): Step {
    const name = this.newName()
    const { id, places } = this.variable(type.kind === 'int' ? `${name}.value` : name, type)
    const own = places.map((place, i) => ({
      ...place,
      root: name,
      ...(i === 0 && type.kind !== 'int' && { isWhole: true }),
    }))
    const known = this.with(inside, own)
    const declaration = [...before, `const ${name} = ${text}`].join('\n')
    const declare = (frame: Frame): boolean => {
      const found = find(frame)
      frame.variables.set(id, found)
      return found !== undefined
    }
    if (this.once(3) && (scope.loops.length > 0 || scope.mayReturn)) {
      const { words, outcome } = this.leaving(scope)
      return {
        statement: {
          text: () => `${declaration}\nif (!${name}) ${words}`,
          run: (frame) => (declare(frame) ? undefined : outcome(frame)),
        },
        behind: known,
      }
    }
    const isNegated = this.once(3)
    const yes = this.list(1, known)
    const no = this.once(2) ? this.list(1, scope) : []
    const [first, second] = isNegated ? [no, yes] : [yes, no]
    const test = this.one(isNegated ? [`!${name}`, `${name} === null`] : [name, `${name} !== null`])
    return {
      statement: {
        text: () => `${declaration}\nif (${test}) ${block(first)} else ${block(second)}`,
        run: (frame) => runAll(declare(frame) ? yes : no, frame),
        parts: [yes, no],
      },
    }
  }

  protected packetStatement(scope: Around): Step {
    const { structs } = this.declared
    const type = this.one(structs)
    const size = sizeOf(type)
    const isVariable = this.once(3)
    const by = isVariable ? this.expression(scope, 1) : undefined
    const constant = this.random.below(80)
    const offsetOf = (frame: Frame): number => (by ? Number(by.value(frame) & 63n) : constant)
    const offset = by ? `u32(${by.text} & 63)` : String(constant)
    const pointed = { ...scope, pointsIntoPacket: true }
    const inPlace =
      (skip: number) =>
      ({ world }: Frame): Ref | undefined =>
        skip + size <= world.packet.length ? { bytes: world.packet, at: skip } : undefined
    switch (this.random.below(this.can.isTc ? 6 : 4)) {
      case 0: {
        const cursor = this.newName()
        const other = this.one(structs)
        const first = this.once(2) ? 'next' : 'peek'
        const skip = this.random.below(20)
        const at = (frame: Frame): number => offsetOf(frame) + (first === 'next' ? sizeOf(other) : 0) + skip
        return this.#pointer(
          scope,
          `${cursor}.next<${type.name}>()`,
          type,
          pointed,
          (frame) => inPlace(at(frame))(frame),
          [
            `const ${cursor} = packet.cursor(${offset})`,
            `const ${this.newName()} = ${cursor}.${first}<${other.name}>()`,
            `${cursor}.skip(${skip})`,
          ],
        )
      }
      case 4: {
        if (scope.pointsIntoPacket) break
        const places = scope.places.filter(({ type }) => type.kind === 'struct')
        if (places.length === 0) break
        const { text, at, type: own } = this.one(places)
        return {
          statement: {
            text: () => `packet.store(${offset}, ${text})`,
            run(frame) {
              const [to, { packet }] = [offsetOf(frame), frame.world]
              if (to + sizeOf(own) <= packet.length) packet.set(copyOf(at(frame), sizeOf(own)), to)
              return undefined
            },
          },
        }
      }
      case 5:
        return this.#pointer(scope, `packet.load<${type.name}>(${offset})`, type, scope, (frame) => {
          const found = inPlace(offsetOf(frame))(frame)
          return found && { bytes: copyOf(found, size), at: 0 }
        })
    }
    return this.#pointer(scope, `packet.read<${type.name}>(${offset})`, type, pointed, (frame) =>
      inPlace(offsetOf(frame))(frame),
    )
  }

  /** A function that the kernel calls for each element of an array. */
  protected forEach(scope: Around): Statement | undefined {
    const maps = this.maps('array', 'percpuArray').filter(({ name }) => !scope.held.has(name))
    if (maps.length === 0 || !this.can.hasForEach) return undefined
    const map = this.one(maps)
    const [key, value] = [this.newName('k'), this.newName('k')]
    const keyVariable = this.variable(`${key}.value`, u32, true)
    const valueVariable = this.variable(map.value.kind === 'int' ? `${value}.value` : value, map.value)
    const inside: Around = {
      ...scope,
      places: [
        // Only what belongs to the file; no element by the counter of a loop.
        ...scope.places.filter(({ root, text }) => root.startsWith('g') && !text.includes('[c')),
        ...keyVariable.places.map((place) => ({ ...place, root: key })),
        ...valueVariable.places.map((place, i) => ({
          ...place,
          root: value,
          ...(i === 0 && map.value.kind !== 'int' && { isWhole: true }),
        })),
      ],
      loops: [],
      returns: bool,
      mayReturn: true,
      seesPacket: false,
      held: new Set([...scope.held, map.name]),
    }
    const body = this.list(1, inside)
    const end = this.condition(inside, 1)
    return {
      text: () =>
        `${map.name}.forEach((${key}, ${value}) => {\n${indent(lines(body))}\n  return ${end.text} ? 1 : 0\n})`,
      run(frame) {
        const own: Frame = { world: frame.world, variables: new Map() }
        for (let i = 0; i < map.max; i++) {
          const bytes = new Uint8Array(8)
          bytes[0] = i
          own.variables.set(keyVariable.id, { bytes, at: 0 })
          own.variables.set(valueVariable.id, tableOf(frame, map).get(bytes.subarray(0, 4)))
          const left = runAll(body, own)
          if (left?.how === 'return' ? left.value !== 0n : end.holds(own)) break
        }
        return undefined
      },
      parts: [body],
    }
  }
}
