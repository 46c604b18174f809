// Random variables, and assignments to what can be named.

import type { Random } from '../../testing/random-programs.js'
import { type Bytes, type Condition, type Declared, isShift, operators, type Scope } from './expressions.js'
import { type Place, within } from './places.js'
import { Records } from './records.js'
import type { Around, Statement, Step } from './statement.js'
import {
  common,
  compute,
  load,
  promoted,
  type Ref,
  readAs,
  type Struct,
  sizeOf,
  store,
  type Type,
  written,
} from './types.js'
import type { Frame } from './world.js'

/** What programs can have. */
export interface Can {
  /** Loops whose rounds the kernel counts. */
  readonly isCounted: boolean
  /** A function that is called for each element of a map. */
  readonly hasForEach: boolean
  /** It is a TC program, and not an XDP program. */
  readonly isTc: boolean
}

/** A variable for a member of a struct. */
interface Taken {
  readonly id: number
  readonly places: readonly Place[]
  readonly type: Type
  readonly offset: number
}

export abstract class Variables extends Records {
  #names = 0
  #variables = 0
  /** Maps that the function which is being written changes. What a function that is called has changed, its caller has. */
  changes = new Set<string>()
  protected readonly can: Can

  constructor(random: Random, declared: Declared, can: Can) {
    super(random, declared)
    this.can = can
  }

  /** @param letter - an x for names that a block inside may use again */
  override newName(letter = 'x'): string {
    return `${letter}${this.#names++}`
  }

  newVariable(): number {
    return this.#variables++
  }

  override change(scope: Scope, depth: number): (Condition & { map: string }) | undefined {
    const found = super.change(scope, depth)
    if (found) this.changes.add(found.map)
    return found
  }

  override call(scope: Scope, depth: number, isVoid = false) {
    const found = super.call(scope, depth, isVoid)
    const fn = found && scope.functions.find(({ name }) => found.text.startsWith(`${name}(`))
    for (const map of fn?.changes ?? []) this.changes.add(map)
    return found
  }

  /** The scope with places in addition; a name hides what had it before. */
  with<S extends Scope>(scope: S, places: readonly Place[]): S {
    const roots = new Set(places.map(({ root }) => root))
    return { ...scope, places: [...scope.places.filter(({ root }) => !roots.has(root)), ...places] }
  }

  // ---- Variables

  /** A variable that a declaration makes, and what is in it. */
  variable(name: string, type: Type, isConst = false): { id: number; places: Place[] } {
    const id = this.newVariable()
    const at = (frame: Frame): Ref => frame.variables.get(id)!
    return { id, places: within({ root: name, text: name, type, at, isConst }) }
  }

  protected declaration(scope: Around): Step {
    return this.declarationOf(scope, this.newName(), scope)
  }

  protected declarationOf(scope: Around, name: string, inner: Around): Step {
    const { structs } = this.declared
    const kind = this.random.below(10)
    if (kind === 0) {
      const step = this.#takeApart(scope)
      if (step) return step
    }
    if (kind === 1) {
      const step = this.#alias(scope, name)
      if (step) return step
    }
    const type: Type = kind < 6 ? this.numberType() : kind < 8 ? this.one(structs) : this.memberType()
    if (type.kind === 'int') {
      const own = readAs(type)
      const value = this.converted(inner, own, 2)
      const word = this.once(3) ? 'const' : 'let'
      const annotation = value.type === undefined || this.once(2) ? `: ${own.name}` : ''
      const { id, places } = this.variable(name, own, word === 'const')
      return {
        statement: {
          text: () => `${word} ${name}${annotation} = ${value.text}`,
          run(frame) {
            const bytes = new Uint8Array(8)
            store({ bytes, at: 0 }, own, value.value(frame))
            frame.variables.set(id, { bytes, at: 0 })
            return undefined
          },
        },
        behind: this.with(scope, places),
      }
    }
    const isZero = this.once(4)
    const value: Bytes = isZero
      ? { text: 'zero()', bytes: () => new Uint8Array(sizeOf(type)) }
      : this.fill(inner, type, 1)
    const word = this.once(3) ? 'let' : 'const'
    const { id, places } = this.variable(name, type)
    return {
      statement: {
        text: () => `${word} ${name}: ${written(type)} = ${value.text}`,
        run(frame) {
          frame.variables.set(id, { bytes: value.bytes(frame), at: 0 })
          return undefined
        },
      },
      behind: this.with(
        scope,
        places.map((place, i) => (i === 0 && word === 'const' ? { ...place, isWhole: true } : place)),
      ),
    }
  }

  /** `const { a, b: c, d: { e } } = struct` */
  #takeApart(scope: Around): Step | undefined {
    const found = scope.places.filter((place): place is Place<Struct> => place.type.kind === 'struct')
    if (found.length === 0) return undefined
    const from = this.one(found)
    const taken = this.#taken(from.type, from.isConst, 0)
    return {
      statement: {
        text: () => `const ${taken.text} = ${from.text}`,
        run(frame) {
          const { bytes, at } = from.at(frame)
          for (const { id, offset, type } of taken.all) {
            const ref = { bytes, at: at + offset }
            if (type.kind !== 'int') frame.variables.set(id, ref)
            else {
              const copy = new Uint8Array(8)
              store({ bytes: copy, at: 0 }, readAs(type), load(ref, type))
              frame.variables.set(id, { bytes: copy, at: 0 })
            }
          }
          return undefined
        },
      },
      behind: this.with(
        scope,
        taken.all.flatMap(({ places }) =>
          places.map((place, i) => (i === 0 ? { ...place, isWhole: true } : place)),
        ),
      ),
    }
  }

  /** Members that are taken out of a struct, and where they stand in the outermost one. */
  #taken(struct: Struct, isConst: boolean | undefined, start: number): { text: string; all: Taken[] } {
    const parts = struct.members
      .filter(() => this.once(2))
      .map(({ name, type, offset }) => {
        if (type.kind === 'struct' && this.once(2)) {
          const { text, all } = this.#taken(type, isConst, start + offset)
          return { text: `${name}: ${text}`, all }
        }
        const as = this.newName()
        const isNumber = type.kind === 'int'
        const own = this.variable(as, isNumber ? readAs(type) : type, isNumber || isConst)
        return { text: `${name}: ${as}`, all: [{ ...own, type, offset: start + offset }] }
      })
    return { text: `{ ${parts.map(({ text }) => text).join(', ')} }`, all: parts.flatMap(({ all }) => all) }
  }

  /** `const t = s`: another name for the same struct. */
  #alias(scope: Around, name: string): Step | undefined {
    const found = scope.places.filter((place) => place.type.kind === 'struct' && place.root !== name)
    if (found.length === 0) return undefined
    const from = this.one(found)
    const { id, places } = this.variable(name, from.type, from.isConst)
    return {
      statement: {
        text: () => `const ${name} = ${from.text}`,
        run(frame) {
          frame.variables.set(id, from.at(frame))
          return undefined
        },
      },
      behind: this.with(
        scope,
        places.map((place, i) => (i === 0 ? { ...place, isWhole: true } : place)),
      ),
    }
  }

  // ---- Assignments

  protected assignment(scope: Around): Statement {
    const kind = this.random.below(12)
    if (kind <= 1) return this.#wholeAssignment(scope) ?? this.#numberAssignment(scope)
    if (kind === 2) {
      const element = this.element(scope, 2, true)
      if (element) {
        const value = this.converted(scope, element.place.type, 2)
        const { place } = element
        return {
          text: () => `${place.text} = ${value.text}`,
          run(frame) {
            const ref = place.at(frame)
            store(ref, place.type, value.value(frame))
            return undefined
          },
        }
      }
    }
    return this.#numberAssignment(scope)
  }

  #numberAssignment(scope: Around): Statement {
    const { text, type, at } = this.one(this.ints(scope).filter(({ isConst }) => !isConst))
    const own = readAs(type)
    const set = (frame: Frame, value: bigint): undefined => {
      store(at(frame), type, value)
    }
    switch (this.random.below(7)) {
      case 0: {
        const [operator, by] = this.one([
          ['++', 1n],
          ['--', -1n],
        ] as const)
        return { text: () => `${text}${operator}`, run: (frame) => set(frame, load(at(frame), type) + by) }
      }
      case 1:
      case 2: {
        const operator = this.one(operators)
        const quiet = { ...scope, functions: [] }
        const right = isShift(operator)
          ? this.leaf(scope)
          : !/[/%]/.test(operator) && this.once(3)
            ? this.literalFor(promoted(own))
            : this.expression(quiet, 1)
        const wide = isShift(operator) || right.type === undefined ? promoted(own) : common(own, right.type)
        return {
          text: () => `${text} ${operator}= ${right.text}`,
          run: (frame) => set(frame, compute(operator, wide, load(at(frame), type), right.value(frame))),
        }
      }
      default: {
        const value = this.converted(scope, type, 1 + this.random.below(3))
        return { text: () => `${text} = ${value.text}`, run: (frame) => set(frame, value.value(frame)) }
      }
    }
  }

  /** Of a struct, an array or text. */
  #wholeAssignment(scope: Around): Statement | undefined {
    const places = scope.places.filter(
      ({ type, isConst, isWhole }) => type.kind !== 'int' && !isConst && !isWhole,
    )
    if (places.length === 0) return undefined
    const { text, at, type } = this.one(places)
    const value = this.fill(scope, type, 1)
    return {
      text: () => `${text} = ${value.text}`,
      run(frame) {
        const ref = at(frame)
        ref.bytes.set(value.bytes(frame), ref.at)
        return undefined
      },
    }
  }
}
