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
  /** Returns whether a loop was left. */
  readonly run: (variables: Variables) => 'break' | 'continue' | undefined
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

export function randomProgram(random: Random): RandomProgram {
  const one = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  const declared = Array.from({ length: inputs }, (_, i) => ({ name: `v${i}`, type: one(types) }))

  const leaf = (mayBeLiteral: boolean): Expression => {
    if (mayBeLiteral && random.below(3) === 0) {
      const value = one(literals)
      return { text: String(value), type: undefined, value: () => value }
    }
    const { name, type } = one(declared)
    return { text: name, type, value: (variables) => variables.get(name)! }
  }

  const expression = (depth: number, mayBeLiteral = false): Expression => {
    if (depth === 0) return leaf(mayBeLiteral)
    switch (random.below(8)) {
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
    const { name, type } = one(declared)
    if (random.below(3) === 0) {
      const operator = one(operators)
      const right = operator.length > 1 ? leaf(false) : expression(1)
      const wide = operator.length > 1 ? promoted(type) : common(type, right.type!)
      return {
        text: `${name} ${operator}= ${right.text}`,
        run(v) {
          v.set(name, wrap(type, compute(operator, wide, v.get(name)!, right.value(v))))
          return undefined
        },
      }
    }
    const right = expression(1 + random.below(3))
    return {
      text: `${name} = ${type.name}(${right.text})`,
      run(v) {
        v.set(name, wrap(type, right.value(v)))
        return undefined
      },
    }
  }

  const block = (depth: number, isInLoop: boolean): Statement => {
    const list = Array.from({ length: 1 + random.below(3) }, () => statement(depth, isInLoop))
    return {
      text: `{\n${list.map(({ text }) => text).join('\n')}\n}`,
      run(v) {
        for (const one of list) {
          const left = one.run(v)
          if (left !== undefined) return left
        }
        return undefined
      },
    }
  }

  const statement = (depth: number, isInLoop: boolean): Statement => {
    const kind = depth === 0 ? 9 : random.below(10)
    if (kind === 0) {
      const rounds = 1 + random.below(4)
      const body = block(depth - 1, true)
      return {
        text: `for (const i of range(${rounds})) ${body.text}`,
        run(v) {
          for (let i = 0; i < rounds; i++) if (body.run(v) === 'break') break
          return undefined
        },
      }
    }
    if (kind === 1 && isInLoop) {
      const test = condition(1)
      const how = one(['break', 'continue'] as const)
      return { text: `if (${test.text}) ${how}`, run: (v) => (test.holds(v) ? how : undefined) }
    }
    if (kind <= 3) {
      const [test, yes, no] = [condition(2), block(depth - 1, isInLoop), block(depth - 1, isInLoop)]
      return {
        text: `if (${test.text}) ${yes.text} else ${no.text}`,
        run: (v) => (test.holds(v) ? yes : no).run(v),
      }
    }
    return assignment()
  }

  const body = Array.from({ length: 4 + random.below(8) }, () => statement(2, false))
  const text = `
export const input = data<array<u64, 8>>()
export const output = data<array<u64, 8>>()
export const p = tcIngress(() => {
${declared.map(({ name, type }, i) => `let ${name}: ${type.name} = ${type.name}(input[${i}])`).join('\n')}
${body.map(({ text }) => text).join('\n')}
${declared.map(({ name }, i) => `output[${i}] = u64(${name})`).join('\n')}
return 0
})
export const license = 'GPL'
`
  return {
    text,
    evaluate(input) {
      const variables: Variables = new Map(declared.map(({ name, type }, i) => [name, wrap(type, input[i]!)]))
      for (const one of body) one.run(variables)
      return declared.map(({ name }) => wrap(u64, variables.get(name)!))
    },
  }
}
