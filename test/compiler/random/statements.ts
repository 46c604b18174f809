// Random statements. Their text is put together only when it is asked for, so that a failing program can be made smaller.
import {
  type Bytes,
  type Callable,
  type Condition,
  type Declared,
  type Expressions,
  isShift,
  operators,
  type Place,
  type Scope,
  tableOf,
  within,
} from './expressions.js'
import { Records } from './records.js'
import {
  bool,
  common,
  compute,
  copyOf,
  type Int,
  load,
  promoted,
  type Ref,
  readAs,
  type Struct,
  sizeOf,
  store,
  type Type,
  u32,
  wrap,
  written,
} from './types.js'
import type { Frame } from './world.js'

/** How a statement was left, if not by its end. */
export type Outcome =
  | { readonly how: 'break' | 'continue'; readonly label: string | undefined }
  | { readonly how: 'return'; readonly value: bigint }

export interface Statement {
  readonly text: () => string
  readonly run: (frame: Frame) => Outcome | undefined
  /** What it consists of, for leaving out. */
  readonly parts?: readonly Statement[][]
}

/** What stands around a statement. */
export interface Around extends Scope {
  readonly loops: readonly { readonly label: string | undefined; readonly isSwitch?: boolean }[]
  /** What `return` returns; undefined for nothing. */
  readonly returns: Int | undefined
  /** The function may end before its end. */
  readonly mayReturn: boolean
  /** A pointer into the packet is known, which a change of the packet would end. */
  readonly pointsIntoPacket: boolean
}

/** A statement, and what can be named behind it. */
interface Step {
  readonly statement: Statement
  readonly behind?: Around
}

const indent = (text: string): string => text.replace(/^/gm, '  ')
const lines = (all: readonly Statement[]): string => all.map(({ text }) => text()).join('\n')
const block = (all: readonly Statement[]): string => `{\n${indent(lines(all))}\n}`

export function runAll(all: readonly Statement[], frame: Frame): Outcome | undefined {
  for (const one of all) {
    const left = one.run(frame)
    if (left !== undefined) return left
  }
  return undefined
}

export class Statements extends Records {
  #names = 0
  #variables = 0
  #isCounted: boolean
  /** Maps that the function which is being written changes. */
  changes = new Set<string>()
  /** What a function that is called has changed, its caller has. */
  readonly #hasForEach: boolean
  readonly #isTc: boolean

  constructor(
    random: ConstructorParameters<typeof Expressions>[0],
    declared: Declared,
    { isCounted, hasForEach, isTc }: { isCounted: boolean; hasForEach: boolean; isTc: boolean },
  ) {
    super(random, declared)
    this.#isCounted = isCounted
    this.#hasForEach = hasForEach
    this.#isTc = isTc
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

  #declaration(scope: Around): Step {
    return this.#declarationOf(scope, this.newName(), scope)
  }

  #declarationOf(scope: Around, name: string, inner: Around): Step {
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

  /** `const { a, b: c } = struct` */
  #takeApart(scope: Around): Step | undefined {
    const found = scope.places.filter((place): place is Place<Struct> => place.type.kind === 'struct')
    if (found.length === 0) return undefined
    const from = this.one(found)
    const members = from.type.members.filter(() => this.once(2))
    const taken = members.map((member) => {
      const name = this.newName()
      const isNumber = member.type.kind === 'int'
      const own = this.variable(
        name,
        isNumber ? readAs(member.type as Int) : member.type,
        isNumber || from.isConst,
      )
      return { ...member, as: name, own, isNumber }
    })
    return {
      statement: {
        text: () => `const { ${taken.map(({ name, as }) => `${name}: ${as}`).join(', ')} } = ${from.text}`,
        run(frame) {
          const { bytes, at } = from.at(frame)
          for (const { own, offset, type, isNumber } of taken) {
            const ref = { bytes, at: at + offset }
            if (!isNumber) frame.variables.set(own.id, ref)
            else {
              const copy = new Uint8Array(8)
              store({ bytes: copy, at: 0 }, readAs(type as Int), load(ref, type as Int))
              frame.variables.set(own.id, { bytes: copy, at: 0 })
            }
          }
          return undefined
        },
      },
      behind: this.with(
        scope,
        taken.flatMap(({ own }) =>
          own.places.map((place, i) => (i === 0 ? { ...place, isWhole: true } : place)),
        ),
      ),
    }
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

  #assignment(scope: Around): Statement {
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

  // ---- Maps and packets

  #mapStatement(scope: Around): Step {
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
    const maps = this.maps('hash', 'array', 'percpuHash', 'percpuArray')
    if (maps.length === 0) return { statement: this.#assignment(scope) }
    const map = this.one(maps)
    const key = this.fill(scope, map.key, 1, true)
    const held = new Set([...scope.held, map.name])
    return this.#pointer(scope, `${map.name}.get(${key.text})`, map.value, { ...scope, held }, (frame) =>
      tableOf(frame, map).get(key.bytes(frame)),
    )
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
      const { words, outcome } = this.#leaving(scope)
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

  #packetStatement(scope: Around): Step {
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
    switch (this.random.below(this.#isTc ? 6 : 4)) {
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
  #forEach(scope: Around): Statement | undefined {
    const maps = this.maps('array').filter(({ name }) => !scope.held.has(name))
    if (maps.length === 0 || !this.#hasForEach) return undefined
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

  // ---- Flow of control

  /** Statements of a block. */
  list(depth: number, around: Around, most = 2): Statement[] {
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
          const step = this.#declarationOf(without, name, without)
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
        return this.#declaration(around)
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
        return only(this.#loop(depth, around))
      case 11:
        return only(this.#switch(depth, around))
      case 12:
        return only(this.#leave(around))
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
        return this.#mapStatement(around)
      case 18:
      case 19:
        if (around.seesPacket) return this.#packetStatement(around)
        return this.#mapStatement(around)
      case 20: {
        const found = this.#forEach(around)
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
    return only(this.#assignment(around))
  }

  /** `break`, `continue` or `return`, if something holds. */
  #leave(scope: Around): Statement {
    if (scope.loops.length === 0 && !scope.mayReturn) return this.#assignment(scope)
    const test = this.condition(scope, 1)
    const { words, outcome } = this.#leaving(scope)
    return {
      text: () => `if (${test.text}) ${words}`,
      run: (frame) => (test.holds(frame) ? outcome(frame) : undefined),
    }
  }

  #leaving(scope: Around): { words: string; outcome: (frame: Frame) => Outcome } {
    const { loops, returns, mayReturn } = scope
    if (loops.length === 0 || (mayReturn && this.once(4))) {
      const value = returns && this.converted(scope, returns, 1)
      return {
        words: value ? `return ${value.text}` : 'return',
        outcome: (frame) => ({ how: 'return', value: value ? value.value(frame) : 0n }),
      }
    }
    const isInLoop = loops.some(({ isSwitch }) => !isSwitch)
    const how = isInLoop ? this.one(['break', 'continue'] as const) : 'break'
    const labels = loops.filter(
      ({ label, isSwitch }) => label !== undefined && !(isSwitch && how === 'continue'),
    )
    const label = this.once(2) && labels.length > 0 ? this.one(labels).label : undefined
    return { words: label === undefined ? how : `${how} ${label}`, outcome: () => ({ how, label }) }
  }

  #loop(depth: number, around: Around): Statement {
    const label = this.once(3) ? `l${this.newVariable()}` : undefined
    const counter = this.newName('c')
    const rounds = 1 + this.random.below(3)
    const id = this.newVariable()
    const at = (frame: Frame): Ref => frame.variables.get(id)!
    const isCounter: Place = { root: counter, text: counter, type: u32, at, isConst: true }
    const loops = [...around.loops, { label }]
    const kind = this.random.below(this.#isCounted ? 10 : 6)
    const arrays = around.places.filter(({ type }) => type.kind === 'array' && type.length >= rounds)
    // An index that stays within the array, whatever its length is.
    const byCounter = [2, 3].includes(kind)
      ? arrays.map((place): Place => {
          const { of } = place.type as { of: Int }
          return {
            ...place,
            text: `${place.text}[${counter}]`,
            type: of,
            at(frame) {
              const ref = place.at(frame)
              return { bytes: ref.bytes, at: ref.at + Number(load(at(frame), u32)) * sizeOf(of) }
            },
          }
        })
      : []
    const inner = this.with({ ...around, loops }, [isCounter])
    const known = { ...inner, places: [...inner.places, ...byCounter.filter(({ root }) => root !== counter)] }
    const count = this.expression(around, 1)
    // The condition does not know what the loop declares; but a let in front of it is known.
    const test = this.condition([2, 3, 7, 9].includes(kind) ? around : inner, 1)
    const body = this.list(Math.min(1, depth - 1), known)
    const before = label === undefined ? '' : `${label}: `
    const setCounter = (frame: Frame, value: number): void => {
      const bytes = new Uint8Array(8)
      bytes[0] = value
      frame.variables.set(id, { bytes, at: 0 })
    }
    /** Runs the body while rounds are left. @param counted - what the counter is in a round */
    const repeat =
      (
        goesOn: (frame: Frame, round: number) => boolean,
        counted: (round: number) => number,
        isLate = false,
      ): Statement['run'] =>
      (frame) => {
        setCounter(frame, counted(0))
        for (let round = 0; ; round++) {
          if (!(isLate && round === 0)) {
            // What the condition sees.
            if (!goesOn(frame, round)) return undefined
          }
          setCounter(frame, counted(round))
          const left = runAll(body, frame)
          if (left === undefined) continue
          if (left.how === 'return') return left
          if (left.label !== undefined && left.label !== label) return left
          if (left.how === 'break') return undefined
        }
      }
    const text = (head: string, first: string, end = ''): string =>
      `${head} {\n${indent(`${first}${lines(body)}`)}\n}${end}`
    const parts = [body]
    const declared = `let ${counter}: u32 = 0\n${before}`
    switch (kind) {
      case 0:
        return {
          text: () => text(`${declared}while (${counter} < ${rounds} && (${test.text}))`, `${counter}++\n`),
          run: repeat(
            (frame, round) => {
              setCounter(frame, round)
              return round < rounds && test.holds(frame)
            },
            (round) => round + 1,
          ),
          parts,
        }
      case 1:
        return {
          text: () => text(`${declared}do`, `${counter} += 1\n`, ` while (${counter} < ${rounds})`),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round + 1,
            true,
          ),
          parts,
        }
      case 2:
        return {
          text: () => text(`${before}for (const ${counter} of range(u32(${count.text}), ${rounds}))`, ''),
          run: (frame) => {
            const most = Math.min(rounds, Number(BigInt.asUintN(32, count.value(frame))))
            return repeat(
              (_, round) => round < most,
              (round) => round,
            )(frame)
          },
          parts,
        }
      case 4: {
        const step = 1 + this.random.below(2)
        return {
          text: () =>
            text(
              `${before}for (let ${counter}: u32 = 0; ${counter} < ${rounds * step}; ${counter} += ${step})`,
              '',
            ),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round * step,
          ),
          parts,
        }
      }
      case 5:
        return {
          text: () =>
            text(
              `${before}for (let ${counter}: u32 = ${rounds}; ${counter} > 0 && (${test.text}); ${counter}--)`,
              '',
            ),
          run: repeat(
            (frame, round) => {
              setCounter(frame, rounds - round)
              return round < rounds && test.holds(frame)
            },
            (round) => rounds - round,
          ),
          parts,
        }
      case 6:
        return {
          text: () => text(`${declared}while (true)`, `if (${counter} >= ${rounds}) break\n${counter}++\n`),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round + 1,
          ),
          parts,
        }
      case 7:
        return {
          text: () =>
            text(`${declared}while (${test.text})`, `if (${counter} >= ${rounds}) break\n${counter}++\n`),
          run: repeat(
            (frame, round) => {
              setCounter(frame, round)
              return test.holds(frame) && round < rounds
            },
            (round) => round + 1,
          ),
          parts,
        }
      case 8:
        return {
          text: () =>
            text(
              `${before}for (let ${counter}: u32 = 0; ; ${counter}++)`,
              `if (${counter} >= ${rounds}) break\n`,
            ),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round,
          ),
          parts,
        }
      case 9:
        return {
          text: () => text(`${before}for (const ${counter} of range(u32(${count.text}) & 3))`, ''),
          run: (frame) => {
            const most = Number(count.value(frame) & 3n)
            return repeat(
              (_, round) => round < most,
              (round) => round,
            )(frame)
          },
          parts,
        }
      default:
        return {
          text: () => text(`${before}for (const ${counter} of range(${rounds}))`, ''),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round,
          ),
          parts,
        }
    }
  }

  #switch(depth: number, around: Around): Statement {
    const label = this.once(4) ? `l${this.newVariable()}` : undefined
    const inner: Around = { ...around, loops: [...around.loops, { label, isSwitch: true }] }
    const mask = this.one([3n, 15n, 255n])
    const of = this.expression(around, 1)
    const numbers = [0n, 1n, 2n, 3n, 7n, 200n].filter(() => this.once(2))
    const cases: { value: bigint | undefined; body: Statement[]; isLeft: boolean }[] = numbers.map(
      (value) => ({
        value,
        body: this.once(6) ? [] : this.list(depth - 1, inner),
        isLeft: this.once(2),
      }),
    )
    if (!this.once(3)) {
      const one = { value: undefined, body: this.list(depth - 1, inner), isLeft: this.once(2) }
      cases.splice(this.random.below(cases.length + 1), 0, one)
    }
    return {
      text: () =>
        `${label === undefined ? '' : `${label}: `}switch (${of.text} & ${mask}) {\n${cases
          .map(
            ({ value, body, isLeft }) =>
              `${value === undefined ? 'default' : `case ${value}`}: ${body.length === 0 && !isLeft ? '' : block(body)}${isLeft ? '\nbreak' : ''}`,
          )
          .join('\n')}\n}`,
      run(frame) {
        const type = promoted(of.type!)
        const value = wrap(type, wrap(type, of.value(frame)) & mask)
        const found = cases.findIndex((one) => one.value === value)
        const from = found >= 0 ? found : cases.findIndex((one) => one.value === undefined)
        for (const one of from < 0 ? [] : cases.slice(from)) {
          const left = runAll(one.body, frame)
          if (left !== undefined) {
            const isOwn = left.how === 'break' && (left.label === undefined || left.label === label)
            return isOwn ? undefined : left
          }
          if (one.isLeft) return undefined
        }
        return undefined
      },
      parts: cases.map(({ body }) => body),
    }
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
    const header = `function ${name}(${parameters.map((type, i) => `p${i}: ${written(type)}`).join(', ')}): ${type?.name ?? 'void'}`
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
        text: () => `${header} {\n${indent(lines(body))}${value ? `\n  return ${value.text}` : ''}\n}`,
        run: () => undefined,
        parts: [body],
      },
    }
  }
}
