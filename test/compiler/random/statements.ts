// Random statements. Their text is put together only when it is asked for, so that a failing program can be made smaller.

import type { Callable } from './expressions.js'
import { Flow } from './flow.js'
import type { Place } from './places.js'
import { type Around, block, indent, lines, runAll, type Statement, type Step } from './statement.js'
import { type Int, store, type Type, written } from './types.js'
import type { Frame } from './world.js'

export class Statements extends Flow {
  /** Statements of a block. */
  override list(depth: number, around: Around, most = 2): Statement[] {
    const all: Statement[] = []
    let scope = around
    const push = ({ statement, behind }: Step): void => {
      all.push(statement)
      if (behind) scope = behind
    }
    // A name of the block around is used again, before the block names it.
    if (this.once(4)) {
      const roots = [
        ...new Set(scope.places.filter(({ root }) => /^[vx]\d+$/.test(root)).map(({ root }) => root)),
      ]
      if (roots.length > 0) {
        const name = this.one(roots)
        const without = { ...scope, places: scope.places.filter(({ root }) => root !== name) }
        if (this.ints(without).length > 2 && this.ints(without).some(({ isConst }) => !isConst)) {
          const step = this.declarationOf(without, name, without)
          push(step)
        }
      }
    }
    const count = 1 + this.random.below(most)
    for (let i = 0; i < count; i++) push(this.statement(depth, scope))
    return all
  }

  statement(depth: number, around: Around): Step {
    const only = (statement: Statement): Step => ({ statement })
    const kind = this.random.below(depth <= 0 ? 8 : 26)
    switch (kind) {
      case 0:
      case 1:
        return this.declaration(around)
      case 2: {
        const call = this.call(around, 2, true)
        if (!call) break
        return only({
          text: () => call.text,
          run(frame) {
            call.value(frame)
            return undefined
          },
        })
      }
      case 8:
      case 9:
      case 10:
        return only(this.loop(depth, around))
      case 11:
        return only(this.switch(depth, around))
      case 12:
        return only(this.leave(around))
      case 13:
      case 14: {
        const test = this.condition(around, 2)
        const [yes, no] = [this.list(depth - 1, around), this.once(2) ? this.list(depth - 1, around) : []]
        return only({
          text: () => `if (${test.text}) ${block(yes)}${no.length > 0 ? ` else ${block(no)}` : ''}`,
          run: (frame) => runAll(test.holds(frame) ? yes : no, frame),
          parts: [yes, no],
        })
      }
      case 15:
      case 16:
      case 17:
        return this.mapStatement(around)
      case 18:
      case 19:
        if (around.seesPacket) return this.packetStatement(around)
        return this.mapStatement(around)
      case 20: {
        const found = this.forEach(around)
        if (found) return only(found)
        break
      }
      case 22:
      case 23: {
        const found = this.reservation(around)
        if (found) return only(found)
        break
      }
      case 24:
        return only(this.printing(around))
      case 25: {
        const found = this.emission(around, 2)
        if (found) return only({ text: () => found.text, run: (frame) => void found.holds(frame) })
        break
      }
      case 21: {
        const body = this.list(depth - 1, around)
        return only({ text: () => block(body), run: (frame) => runAll(body, frame), parts: [body] })
      }
    }
    return only(this.assignment(around))
  }

  // ---- Functions

  /** A function of the file. */
  fn(
    number: number,
    globals: readonly Place[],
    others: readonly Callable[],
  ): Callable & { statement: Statement } {
    const name = `f${number}`
    const { structs } = this.declared
    const parameters = Array.from(
      { length: 1 + this.random.below(4) },
      (): Type =>
        this.once(4) ? this.one(structs) : this.once(6) ? { kind: 'chars', length: 8 } : this.numberType(),
    )
    const isVoid = this.once(4)
    const type = isVoid ? undefined : this.numberType()
    const own = parameters.map((type, i) => {
      const { id, places } = this.variable(`p${i}`, type)
      return {
        id,
        type,
        places: places.map((place, i) =>
          i === 0 && type.kind !== 'int' ? { ...place, isWhole: true } : place,
        ),
      }
    })
    this.changes = new Set()
    const scope: Around = {
      places: [...globals, ...own.flatMap(({ places }) => places)],
      functions: others,
      held: new Set(this.declared.maps.map(({ name }) => name).filter(() => this.once(2))),
      seesPacket: false,
      loops: [],
      returns: type,
      mayReturn: true,
      pointsIntoPacket: false,
    }
    const hasNumber = this.ints(scope).some(({ isConst }) => !isConst)
    const body = hasNumber ? this.list(2, scope, 4) : []
    const value = type && this.converted(scope, type, 2)
    const changes = this.changes
    const signature = `(${parameters.map((type, i) => `p${i}: ${written(type)}`).join(', ')}): ${type?.name ?? 'void'}`
    // The verifier checks it without its callers.
    const isGlobal = type !== undefined && parameters.every(({ kind }) => kind === 'int') && this.once(2)
    const [begin, end] = isGlobal
      ? [`export const ${name} = globalFunction(${signature} => {`, '})']
      : [`function ${name}${signature} {`, '}']
    return {
      name,
      parameters,
      type,
      changes,
      call(frame, args) {
        const inner: Frame = { world: frame.world, variables: new Map() }
        for (const [i, { id, type }] of own.entries()) {
          const given = args[i]!
          if (typeof given !== 'bigint') inner.variables.set(id, given)
          else {
            const ref = { bytes: new Uint8Array(8), at: 0 }
            store(ref, type as Int, given)
            inner.variables.set(id, ref)
          }
        }
        const left = runAll(body, inner)
        if (left?.how === 'return') return left.value
        return value ? value.value(inner) : 0n
      },
      statement: {
        text: () => `${begin}\n${indent(lines(body))}${value ? `\n  return ${value.text}` : ''}\n${end}`,
        run: () => undefined,
        parts: [body],
      },
    }
  }
}
