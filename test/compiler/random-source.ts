// Random programs in TypeScript, with what they have to compute: each part knows its text and evaluates itself with BigInt arithmetic, by the rules of
// docs/kernel-side.md.
import type { Random } from '../testing/random-programs.js'

interface Type {
  readonly name: string
  readonly bits: number
  readonly signed: boolean
}

const types: readonly Type[] = [8, 16, 32, 64].flatMap((bits) =>
  [false, true].map((signed) => ({ name: `${signed ? 's' : 'u'}${bits}`, bits, signed })),
)
const typeOf = (name: string): Type => types.find((type) => type.name === name)!
const u64 = typeOf('u64')

const wrap = ({ bits, signed }: Type, value: bigint): bigint =>
  signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)
const promoted = (type: Type): Type => (type.bits >= 32 ? type : typeOf(type.signed ? 's32' : 'u32'))

function common(a: Type, b: Type): Type {
  const [x, y] = [promoted(a), promoted(b)]
  if (x.bits !== y.bits) return x.bits > y.bits ? x : y
  return x.signed ? y : x
}

type Variables = Map<string, bigint>

/** An expression. A literal has no type of its own. */
interface Expression {
  readonly text: string
  readonly type: Type | undefined
  readonly value: (variables: Variables) => bigint
}

interface Statement {
  readonly text: string
  /** Returns how a loop was left: with the label, if it was one further out. */
  readonly run: (variables: Variables) => Outcome | undefined
}

interface Outcome {
  readonly how: 'break' | 'continue'
  readonly label: string | undefined
}

/** What stands around a statement. */
interface Around {
  readonly loops: readonly { readonly label: string | undefined; readonly isSwitch?: boolean }[]
}

const operators = ['+', '-', '*', '/', '%', '&', '|', '^', '<<', '>>', '>>>']
const comparisons = ['<', '<=', '>', '>=', '===', '!==']
const literals = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  31n,
  100n,
  255n,
  256n,
  65535n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
]

function compute(operator: string, type: Type, left: bigint, right: bigint): bigint {
  const [a, b] = [wrap(type, left), wrap(type, right)]
  const shift = BigInt.asUintN(64, right) & BigInt(type.bits - 1)
  switch (operator) {
    case '+':
      return wrap(type, a + b)
    case '-':
      return wrap(type, a - b)
    case '*':
      return wrap(type, a * b)
    case '/':
      return b === 0n ? 0n : wrap(type, a / b)
    case '%':
      return b === 0n ? a : wrap(type, a % b)
    case '&':
      return wrap(type, a & b)
    case '|':
      return wrap(type, a | b)
    case '^':
      return wrap(type, a ^ b)
    case '<<':
      return wrap(type, a << shift)
    case '>>':
      return wrap(type, a >> shift)
    default:
      return wrap(type, BigInt.asUintN(type.bits, a) >> shift)
  }
}

function compare(operator: string, a: bigint, b: bigint): boolean {
  switch (operator) {
    case '<':
      return a < b
    case '<=':
      return a <= b
    case '>':
      return a > b
    case '>=':
      return a >= b
    case '===':
      return a === b
    default:
      return a !== b
  }
}

export interface RandomProgram {
  readonly text: string
  readonly evaluate: (input: readonly bigint[]) => bigint[]
}

const inputs = 6

/** How many elements the local array has. */
const elements = 4

/** @param isCounted - with loops whose rounds the kernel counts (Linux 6.4) */
export function randomProgram(random: Random, isCounted: boolean): RandomProgram {
  const one = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  const declared = Array.from({ length: inputs }, (_, i) => ({ name: `v${i}`, type: one(types) }))
  const members = Array.from({ length: 3 }, (_, i) => ({ name: `s.m${i}`, type: one(types) }))
  const arrayType = one(types)
  /** What can be read and written: variables, members of a struct, elements of an array. */
  const places = [
    ...declared,
    ...members,
    ...Array.from({ length: elements }, (_, i) => ({ name: `a[${i}]`, type: arrayType })),
  ]
  let labels = 0

  const leaf = (mayBeLiteral: boolean): Expression => {
    if (mayBeLiteral && random.below(3) === 0) {
      const value = one(literals)
      return { text: String(value), type: undefined, value: () => value }
    }
    const { name, type } = random.below(3) === 0 ? one(places) : one(declared)
    return { text: name, type, value: (variables) => variables.get(name)! }
  }

  /** An element of the array by a number that is only known when the program runs. */
  const element = (depth: number): Expression => {
    const index = expression(depth - 1)
    return {
      text: `a[u32(${index.text})]`,
      type: arrayType,
      value: (v) => v.get(`a[${index.value(v) & BigInt(elements - 1)}]`)!,
    }
  }

  /** A call of one of the program's functions. */
  const call = (depth: number): Expression => {
    const fn = one(functions)
    const args = fn.parameters.map(() => expression(Math.max(0, depth - 1)))
    return {
      text: `${fn.name}(${args.map(({ text }, i) => `${fn.parameters[i]!.name}(${text})`).join(', ')})`,
      type: fn.type,
      value: (v) => fn.call(args.map(({ value }, i) => wrap(fn.parameters[i]!, value(v)))),
    }
  }

  const expression = (depth: number, mayBeLiteral = false): Expression => {
    if (depth === 0) return leaf(mayBeLiteral)
    switch (random.below(functions.length > 0 ? 11 : 9)) {
      case 8:
        return element(depth)
      case 9:
      case 10:
        return call(depth)
      case 0: {
        const type = one(types)
        const inner = expression(depth - 1)
        return { text: `${type.name}(${inner.text})`, type, value: (v) => wrap(type, inner.value(v)) }
      }
      case 1: {
        const inner = expression(depth - 1)
        const type = promoted(inner.type!)
        return { text: `(-${inner.text})`, type, value: (v) => wrap(type, -wrap(type, inner.value(v))) }
      }
      case 2: {
        const inner = expression(depth - 1)
        const type = promoted(inner.type!)
        return { text: `(~${inner.text})`, type, value: (v) => wrap(type, ~wrap(type, inner.value(v))) }
      }
      case 3: {
        const [test, yes, no] = [condition(depth - 1), expression(depth - 1), expression(depth - 1)]
        const type = common(yes.type!, no.type!)
        return {
          text: `(${test.text} ? ${yes.text} : ${no.text})`,
          type,
          value: (v) => wrap(type, test.holds(v) ? yes.value(v) : no.value(v)),
        }
      }
      default: {
        const operator = one(operators)
        const isShift = operator.length > 1
        const left = expression(depth - 1)
        const right = isShift
          ? shiftBy(left, depth)
          : expression(depth - 1, operator !== '/' && operator !== '%')
        const type = isShift
          ? promoted(left.type!)
          : right.type
            ? common(left.type!, right.type)
            : promoted(left.type!)
        return {
          text: `(${left.text} ${operator} ${right.text})`,
          type,
          value: (v) => compute(operator, type, left.value(v), right.value(v)),
        }
      }
    }
  }

  const shiftBy = (left: Expression, depth: number): Expression => {
    if (random.below(2) === 0) return expression(depth - 1)
    const value = BigInt(random.below(promoted(left.type!).bits))
    return { text: String(value), type: undefined, value: () => value }
  }

  const condition = (depth: number): { text: string; holds: (variables: Variables) => boolean } => {
    const kind = depth === 0 ? 9 : random.below(8)
    if (kind === 0) {
      const inner = condition(depth - 1)
      return { text: `!(${inner.text})`, holds: (v) => !inner.holds(v) }
    }
    if (kind === 1 || kind === 2) {
      const [a, b] = [condition(depth - 1), condition(depth - 1)]
      return kind === 1
        ? { text: `(${a.text} && ${b.text})`, holds: (v) => a.holds(v) && b.holds(v) }
        : { text: `(${a.text} || ${b.text})`, holds: (v) => a.holds(v) || b.holds(v) }
    }
    if (kind === 3) {
      const inner = expression(depth - 1)
      return { text: inner.text, holds: (v) => inner.value(v) !== 0n }
    }
    const operator = one(comparisons)
    const [left, right] = [expression(Math.max(0, depth - 1)), expression(Math.max(0, depth - 1), true)]
    const type = right.type ? common(left.type!, right.type) : promoted(left.type!)
    return {
      text: `${left.text} ${operator} ${right.text}`,
      holds: (v) => compare(operator, wrap(type, left.value(v)), wrap(type, right.value(v))),
    }
  }

  const assignment = (): Statement => {
    const { name, type } = random.below(3) === 0 ? one(places) : one(declared)
    const kind = random.below(7)
    const set = (value: (v: Variables) => bigint) => (v: Variables) => {
      v.set(name, wrap(type, value(v)))
      return undefined
    }
    if (kind === 0) {
      const [operator, by] = one([
        ['++', 1n],
        ['--', -1n],
      ] as const)
      return { text: `${name}${operator}`, run: set((v) => v.get(name)! + by) }
    }
    if (kind <= 2) {
      const operator = one(operators)
      const right = operator.length > 1 ? leaf(false) : expression(1)
      const wide = operator.length > 1 ? promoted(type) : common(type, right.type!)
      return {
        text: `${name} ${operator}= ${right.text}`,
        run: set((v) => compute(operator, wide, v.get(name)!, right.value(v))),
      }
    }
    const right = expression(1 + random.below(3))
    if (kind === 3) {
      const index = expression(1)
      return {
        text: `a[u32(${index.text})] = ${arrayType.name}(${right.text})`,
        run(v) {
          const at = index.value(v) & BigInt(elements - 1)
          v.set(`a[${at}]`, wrap(arrayType, right.value(v)))
          return undefined
        },
      }
    }
    return { text: `${name} = ${type.name}(${right.text})`, run: set((v) => right.value(v)) }
  }

  const list = (depth: number, around: Around): { text: string; run: Statement['run'] } => {
    const all = Array.from({ length: 1 + random.below(3) }, () => statement(depth, around))
    return {
      text: all.map(({ text }) => text).join('\n'),
      run(v) {
        for (const one of all) {
          const left = one.run(v)
          if (left !== undefined) return left
        }
        return undefined
      },
    }
  }

  const block = (depth: number, around: Around): Statement => {
    const { text, run } = list(depth, around)
    return { text: `{\n${text}\n}`, run }
  }

  /** Whether a loop goes on after its body was left like this; an outcome that is not its own goes further out. */
  const own = (left: Outcome | undefined, label: string | undefined): 'on' | 'end' | Outcome => {
    if (left === undefined) return 'on'
    if (left.label !== undefined && left.label !== label) return left
    return left.how === 'continue' ? 'on' : 'end'
  }

  const loop = (depth: number, around: Around): Statement => {
    const number = labels++
    const label = random.below(3) === 0 ? `l${number}` : undefined
    const counter = `c${number}`
    const rounds = 1 + random.below(3)
    const inner: Around = { loops: [...around.loops, { label }] }
    const body = list(Math.min(1, depth - 1), inner)
    const test = condition(1)
    const before = label === undefined ? '' : `${label}: `
    /** Runs the body while rounds are left. */
    const repeat =
      (goesOn: (v: Variables, round: number) => boolean, isLate = false): Statement['run'] =>
      (v) => {
        for (let round = 0; isLate && round === 0 ? true : goesOn(v, round); round++) {
          const next = own(body.run(v), label)
          if (next === 'end') break
          if (next !== 'on') return next
        }
        return undefined
      }
    switch (random.below(isCounted ? 7 : 5)) {
      case 5:
        return {
          text: `let ${counter}: u32 = 0\n${before}while (true) {\nif (${counter} >= ${rounds}) break\n${counter}++\n${body.text}\n}`,
          run: repeat((_, round) => round < rounds),
        }
      case 6: {
        const count = expression(1)
        return {
          text: `${before}for (const ${counter} of range(u32(${count.text}) & 3)) {\n${body.text}\n}`,
          run(v) {
            const most = Number(count.value(v) & 3n)
            return repeat((_, round) => round < most)(v)
          },
        }
      }
      case 0:
        return {
          text: `let ${counter}: u32 = 0\n${before}while (${counter} < ${rounds} && ${test.text}) {\n${counter}++\n${body.text}\n}`,
          run: repeat((v, round) => round < rounds && test.holds(v)),
        }
      case 1:
        return {
          text: `let ${counter}: u32 = 0\n${before}do {\n${counter} += 1\n${body.text}\n} while (${counter} < ${rounds})`,
          run: repeat((_, round) => round < rounds, true),
        }
      case 2: {
        const count = expression(1)
        return {
          text: `${before}for (const ${counter} of range(u32(${count.text}), ${rounds})) {\n${body.text}\n}`,
          run(v) {
            const most = Math.min(rounds, Number(BigInt.asUintN(32, count.value(v))))
            return repeat((_, round) => round < most)(v)
          },
        }
      }
      default:
        return {
          text: `${before}for (const ${counter} of range(${rounds})) {\n${body.text}\n}`,
          run: repeat((_, round) => round < rounds),
        }
    }
  }

  const choice = (depth: number, around: Around): Statement => {
    const inner: Around = { loops: [...around.loops, { label: undefined, isSwitch: true }] }
    const { name } = one(declared)
    const numbers = [0n, 1n, 2n, 3n, 7n, 200n].filter(() => random.below(2) === 0)
    const cases = [...numbers, undefined].map((value) => ({
      value,
      ...list(depth - 1, inner),
      isLeft: random.below(2) === 0,
    }))
    if (random.below(3) === 0) cases.pop()
    // The default may stand anywhere.
    const at = random.below(cases.length + 1)
    const last = cases.at(-1)?.value === undefined ? cases.pop() : undefined
    if (last !== undefined) cases.splice(at, 0, last)
    return {
      text: `switch (${name} & 15) {\n${cases
        .map(
          ({ value, text, isLeft }) =>
            `${value === undefined ? 'default' : `case ${value}`}: {\n${text}\n}${isLeft ? '\nbreak' : ''}`,
        )
        .join('\n')}\n}`,
      run(v) {
        const value = v.get(name)! & 15n
        const found = cases.findIndex((one) => one.value === value)
        const from = found >= 0 ? found : cases.findIndex((one) => one.value === undefined)
        for (const one of from < 0 ? [] : cases.slice(from)) {
          const left = one.run(v)
          if (left !== undefined) return left.how === 'break' && left.label === undefined ? undefined : left
          if (one.isLeft) return undefined
        }
        return undefined
      },
    }
  }

  const leave = ({ loops }: Around): Statement => {
    const test = condition(1)
    const how = one(['break', 'continue'] as const)
    const isInLoop = loops.some(({ isSwitch }) => !isSwitch)
    const label = one([undefined, ...loops.map(({ label }) => label)])
    const chosen: Outcome = { how: isInLoop ? how : 'break', label }
    const words = label === undefined ? chosen.how : `${chosen.how} ${label}`
    return { text: `if (${test.text}) ${words}`, run: (v) => (test.holds(v) ? chosen : undefined) }
  }

  const statement = (depth: number, around: Around): Statement => {
    const kind = depth === 0 ? 9 : random.below(12)
    if (kind <= 1) return loop(depth, around)
    if (kind === 2) return choice(depth, around)
    if (kind === 3 && around.loops.length > 0) return leave(around)
    if (kind <= 5) {
      const [test, yes, no] = [condition(2), block(depth - 1, around), block(depth - 1, around)]
      return {
        text: `if (${test.text}) ${yes.text} else ${no.text}`,
        run: (v) => (test.holds(v) ? yes : no).run(v),
      }
    }
    return assignment()
  }

  const functions = randomFunctions(random)
  const body = Array.from({ length: 3 + random.below(6) }, () => statement(2, { loops: [] }))
  const text = `
interface S { ${members.map(({ name, type }) => `${name.slice(2)}: ${type.name}`).join('; ')} }
${functions.map(({ text }) => text).join('\n')}
export const input = data<array<u64, 16>>()
export let output = data<array<u64, 8>>()
export const p = tcIngress(() => {
${declared.map(({ name, type }, i) => `let ${name}: ${type.name} = ${type.name}(input[${i}])`).join('\n')}
const s: S = { ${members.map(({ name }, i) => `${name.slice(2)}: ${members[i]!.type.name}(input[${i + inputs}])`).join(', ')} }
const a: array<${arrayType.name}, ${elements}> = [${Array.from({ length: elements }, (_, i) => `${arrayType.name}(input[${i + 1}])`).join(', ')}]
${body.map(({ text }) => text).join('\n')}
const { m0, m1: taken, m2 } = s
${declared.map(({ name }, i) => `output[${i}] = u64(${name})`).join('\n')}
output[${inputs}] = u64(m0) ^ u64(taken) ^ u64(m2)
output[${inputs + 1}] = ${Array.from({ length: elements }, (_, i) => `u64(a[${i}])`).join(' ^ ')}
return 0
})
export const license = 'GPL'
`
  return {
    text,
    evaluate(input) {
      const variables: Variables = new Map(declared.map(({ name, type }, i) => [name, wrap(type, input[i]!)]))
      for (const [i, { name, type }] of members.entries()) variables.set(name, wrap(type, input[i + inputs]!))
      for (let i = 0; i < elements; i++) variables.set(`a[${i}]`, wrap(arrayType, input[i + 1]!))
      for (const one of body) one.run(variables)
      const whole = (name: string): bigint => wrap(u64, variables.get(name)!)
      return [
        ...declared.map(({ name }) => whole(name)),
        members.reduce((all, { name }) => all ^ whole(name), 0n),
        Array.from({ length: elements }, (_, i) => whole(`a[${i}]`)).reduce((all, value) => all ^ value),
      ]
    },
  }
}

interface RandomFunction {
  readonly name: string
  readonly parameters: readonly Type[]
  readonly type: Type
  readonly text: string
  readonly call: (args: readonly bigint[]) => bigint
}

/** Functions of numbers, small ones and such as become subprograms. */
function randomFunctions(random: Random): RandomFunction[] {
  const one = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  return Array.from({ length: random.below(3) }, (_, number): RandomFunction => {
    const parameters = Array.from({ length: 1 + random.below(3) }, () => one(types))
    const type = one(types)
    const steps = Array.from({ length: 1 + random.below(8) }, () => ({
      to: random.below(parameters.length),
      from: random.below(parameters.length),
      operator: one(operators),
      least: random.below(4) === 0 ? BigInt(random.below(256)) : undefined,
    }))
    const lines = steps.map(
      ({ to, from, operator, least }) =>
        `${least === undefined ? '' : `if (p${from} > ${least}) `}p${to} ${operator}= p${from}`,
    )
    return {
      name: `f${number}`,
      parameters,
      type,
      text: `function f${number}(${parameters.map(({ name }, i) => `p${i}: ${name}`).join(', ')}): ${type.name} {
${lines.join('\n')}
if (p0 === 7) return ${type.name}(p${parameters.length - 1})
return ${type.name}(p0)
}`,
      call(args) {
        const p = [...args]
        for (const { to, from, operator, least } of steps) {
          if (least !== undefined && p[from]! <= least) continue
          const wide =
            operator.length > 1 ? promoted(parameters[to]!) : common(parameters[to]!, parameters[from]!)
          p[to] = wrap(parameters[to]!, compute(operator, wide, p[to]!, p[from]!))
        }
        return wrap(type, p[0] === 7n ? p.at(-1)! : p[0]!)
      },
    }
  })
}
