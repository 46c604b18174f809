// Messages for what TypeScript has and the kernel does not.
import { own } from './own.js'
import type { ast } from './syntax.js'

/** A sentence, and what to write instead. */
type Answer = readonly [reason: string, hint?: string]

const noExceptions: Answer = [
  'the kernel has no exceptions',
  'Return a number that says what happened, and compare it where you call the function.',
]
const noClasses: Answer = [
  'the kernel side has no classes',
  'Write an interface for the data, and functions for what is done with it.',
]
const noWaiting: Answer = [
  'a program in the kernel cannot wait',
  'Send an event, and do in Node.js what takes time.',
]
const topOnly: Answer = [
  'a function cannot be a value in the kernel',
  'Declare it at the top of the file, and call it by its name.',
]
const noHeap: Answer = [
  'the kernel side has no objects on a heap',
  'Declare a variable with an interface as its type, or use a map.',
]

export const noSpread: Answer = [
  "the kernel side has no '...'",
  'Name the members, elements or arguments one by one.',
]
const notJoined: Answer = [
  'text cannot be joined in the kernel',
  'Send its parts in an event, and join them in Node.js. For a look at them, write print(`...`).',
]

/** What a number in the text of a program has to be. */
export function notWhole(text: string, value: number): Answer {
  return Number.isInteger(value)
    ? [
        `${text} is larger than the numbers that JavaScript has exactly`,
        'Write it with an n, for its type: u64(0xffffffffffffffffn).',
      ]
    : [
        `${text} is not a whole number`,
        'The kernel has no fractions. Count in smaller units, such as thousandths.',
      ]
}

/** Why the operands of `+` do not make a number. */
export const joinedText = (nodes: readonly ast.Node[]): Answer | undefined =>
  nodes.some(({ type }) => type === 'StringLiteral' || type === 'TemplateLiteral') ? notJoined : undefined

const syntax: Readonly<Record<string, Answer>> = {
  ThrowStatement: noExceptions,
  TryStatement: noExceptions,
  ClassDeclaration: noClasses,
  ClassExpression: noClasses,
  FunctionDeclaration: [
    'a function is declared at the top of the file',
    'Move it there, and pass what it needs as parameters.',
  ],
  ForInStatement: ['the members of a struct cannot be looped over', 'Name them one by one.'],
  DebuggerStatement: [
    'a program in the kernel cannot be stopped',
    'Write print(`...`), or send an event with what you want to know.',
  ],
  TSInterfaceDeclaration: ['an interface is declared at the top of the file'],
  TSTypeAliasDeclaration: ['a type is declared at the top of the file'],
  TSEnumDeclaration: ['an enum is declared at the top of the file'],
  ArrowFunctionExpression: topOnly,
  FunctionExpression: topOnly,
  NewExpression: noHeap,
  ObjectExpression: noHeap,
  ArrayExpression: [
    'the kernel side has no objects on a heap',
    'Declare a variable with an array as its type: const list: array<u32, 3> = [1, 2, 3].',
  ],
  AwaitExpression: noWaiting,
  YieldExpression: ['the kernel side has no generators', 'Write a loop.'],
  SequenceExpression: ['a comma cannot join expressions here', 'Write them as statements of their own.'],
  ThisExpression: ["there is no 'this' in the kernel", 'Keep data in a map or in a global variable.'],
  RegExpLiteral: ['the kernel has no regular expressions', "Write comm === 'bash' or comm.startsWith('ba')."],
  NullLiteral: ['null is only there to compare with', 'Use 0 for a number that is not set.'],
  StringLiteral: ['text can only be assigned to a char<N>'],
  TemplateLiteral: [
    'text can only be assigned to a char<N>',
    'Numbers become text in Node.js. For a look at them, write print(`...`).',
  ],
  SpreadElement: noSpread,
  TaggedTemplateExpression: ['the kernel side has no tagged templates but log.info`...`'],
  TSTypeAssertion: ['numbers are converted by the names of their types', 'Write u32(x).'],
  ImportExpression: ['a program in the kernel cannot load a module'],
  OptionalCallExpression: ['a function that may be missing cannot be called'],
}

/** Why a statement or expression cannot stand in a program. */
export function notInKernel({ type }: ast.Node): Answer {
  const words = type.replace(/(Statement|Expression|Declaration|Literal)$/, '').replace(/^TS/, '')
  return syntax[type] ?? [`the kernel side has no ${words.replace(/(?!^)[A-Z]/g, ' $&').toLowerCase()}`]
}

const operators: Readonly<Record<string, Answer>> = {
  '**': ['the kernel has no powers', 'Multiply, or shift: 1 << n is 2 to the power of n.'],
  in: [
    'a struct has the same members at any time',
    'exists(task.member) says whether the kernel has one, and counts.get(key) !== null whether a map has an entry.',
  ],
  instanceof: ['a value of the kernel has no class'],
  typeof: ['the type of a value is known when the program is compiled'],
  delete: ['a member of a struct cannot be deleted', 'Entries of a map can: counts.delete(key).'],
  void: ["'void' has no use here"],
  '??': ["a number is never missing, so there is no '??='", 'For a pointer, write map.get(key)?.value ?? 0.'],
  '&&': ["the kernel side has no '&&='", 'Write if (a) a = b.'],
  '||': ["the kernel side has no '||='", 'Write if (!a) a = b.'],
}

/** Why an operator cannot be used. */
export function noOperator(operator: string): Answer {
  return operators[operator] ?? [`'${operator}' is not an operation of the kernel side`]
}

const convert = 'Numbers are converted by the names of their types: u32(x), u64(x), s64(x).'
const only =
  "A program has the words of 'libbpf-node/kernel' and what the file declares, and nothing of Node.js."

const globals: Readonly<Record<string, string>> = {
  console: 'Write print(`...`) and read it with npx libbpf-node trace, or send an event.',
  Math: 'Write it with numbers: a > b ? a : b. For Math.log2, there is log2(x).',
  Date: 'bpf.ktimeGetNs() is the time since the machine was started, in nanoseconds.',
  performance: 'bpf.ktimeGetNs() is the time since the machine was started, in nanoseconds.',
  process: 'bpf.getCurrentPidTgid() has the running process and thread.',
  JSON: 'Send the numbers in an event, and make text of them in Node.js.',
  setTimeout: 'A program runs when its hook is reached. Do in Node.js what happens later.',
  setInterval: 'A program runs when its hook is reached. perfEvent programs run regularly.',
  Number: convert,
  BigInt: convert,
  Boolean: 'Write x !== 0.',
  String: 'Numbers become text in Node.js.',
  parseInt: convert,
  parseFloat: convert,
  undefined: 'It is only there to compare with. Use 0 for a number that is not set.',
  NaN: 'The kernel has no fractions.',
  Infinity: 'The kernel has no fractions.',
}

const others = [
  'Array Buffer Error Int32Array Map Object Promise Proxy Reflect RegExp Set Symbol Uint8Array WeakMap crypto exports',
  'fetch globalThis module queueMicrotask require setImmediate structuredClone window',
].flatMap((line) => line.split(' '))

/** What to write instead of a global name of JavaScript that does not exist in the kernel. */
export function insteadOfGlobal(name: string): string | undefined {
  return own(globals, name) ?? (others.includes(name) ? only : undefined)
}
