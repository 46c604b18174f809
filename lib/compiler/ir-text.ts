// Operations as text, to look at what the compiler does.
import type { Argument, Base, Callee, Operand, Operation, Reg } from './ir.js'

const signs = {
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  mod: '%',
  and: '&',
  or: '|',
  xor: '^',
  lsh: '<<',
  rsh: '>>>',
  arsh: '>>',
  sdiv: 's/',
  smod: 's%',
} as const

const comparisons = {
  eq: '==',
  ne: '!=',
  gt: '>',
  ge: '>=',
  lt: '<',
  le: '<=',
  sgt: 's>',
  sge: 's>=',
  slt: 's<',
  sle: 's<=',
  set: '&',
} as const

const register = (reg: Reg): string => `v${reg}`
const operand = (b: Operand): string => ('reg' in b ? register(b.reg) : String(b.imm))
const place = (base: Base, offset: number, size: number): string =>
  `u${size * 8}[${base === 'frame' ? 'stack' : register(base)}${offset < 0 ? ` - ${-offset}` : ` + ${offset}`}]`

function argument(arg: Argument): string {
  if ('frame' in arg) return `stack - ${-arg.frame}`
  if ('map' in arg) return `&${arg.map}`
  return 'callback' in arg ? `&${arg.callback}` : operand(arg)
}

const callee = (one: Callee): string =>
  'helper' in one ? `helper ${one.helper}` : 'kfunc' in one ? one.kfunc : one.function

/** One line for each operation, with the registers as they are before the machine's ten are assigned. */
export const irText = (operations: readonly Operation[]): string =>
  operations
    .map((operation) => (operation.op === 'label' ? `${operation.name}:` : `  ${line(operation)}`))
    .join('\n')

function line(operation: Operation): string {
  const core = operation.core ? ` (CO-RE ${operation.core.access})` : ''
  const d = 'd' in operation && operation.d !== undefined ? `${register(operation.d)} = ` : ''
  const bits = 'bits' in operation && operation.bits === 32 ? ' (32 bits)' : ''
  switch (operation.op) {
    case 'param':
      return `${d}argument ${operation.index + 1}`
    case 'const':
      return `${d}${operation.value}${core}`
    case 'move':
      return `${d}${register(operation.s)}${bits}`
    case 'alu':
      return `${d}${register(operation.a)} ${signs[operation.operation]} ${operand(operation.b)}${bits}${core}`
    case 'neg':
      return `${d}-${register(operation.a)}${bits}`
    case 'be':
      return `${d}be${operation.bits} ${register(operation.a)}`
    case 'sext':
      return `${d}s${operation.from} ${register(operation.a)}${bits}`
    case 'load':
      return `${d}${operation.isSigned ? 'signed ' : ''}${place(operation.base, operation.offset, operation.size)}${core}`
    case 'store':
      return `${place(operation.base, operation.offset, operation.size)} = ${operand(operation.value)}`
    case 'atomicAdd':
      return `${place(operation.base, operation.offset, operation.size)} +=atomic ${register(operation.value)}`
    case 'cast':
      return `${d}${register(operation.s)} for the ${operation.to}`
    case 'frame':
      return `${d}stack - ${-operation.offset}`
    case 'symbol':
      return `${d}&${operation.name}`
    case 'call':
      return `${d}${callee(operation.callee)}(${operation.args.map(argument).join(', ')})`
    case 'jump':
      return `goto ${operation.to}`
    case 'branch':
      return `if ${register(operation.a)} ${comparisons[operation.comparison]} ${operand(operation.b)} goto ${operation.to}${bits}`
    case 'mayGoto':
      return `may_goto ${operation.to}`
    case 'return':
      return operation.value === undefined ? 'return' : `return ${register(operation.value)}`
    case 'label':
      return operation.name
  }
}
