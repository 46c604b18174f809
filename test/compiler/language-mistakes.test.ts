// Mistakes in statements, functions and values, with all that a message says: where, what, and what to write instead.
import { CompileError, type CompileOptions, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'

const head = `interface Pair { a: u32; b: u64 }
interface Event { pid: u32; comm: char<16> }
export const events = ringbuf<Event>(4096)
export const counts = hash<u32, u64>(64)
export const pairs = hash<u32, Pair>(64)
export const limit = rodata<u32>(10)
export let total = data<u64>(0)
export const list = data<array<u32, 6>>()
`

/** Where the mistake is, the sentence, and the hint. The body begins in line 10. */
function mistake(body: string, options: CompileOptions = {}): string {
  const text = `${head}export const p = rawTp('sched_process_exec', (task) => {\n${body}\nreturn 0\n})\nexport const license = 'GPL'`
  try {
    compile(text, { file: 'p.bpf.ts', ...options })
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    const { line, column } = error.place
    return `${line}:${column} ${error.reason}${error.hint === undefined ? '' : ` | ${error.hint}`}`
  }
  throw new Error('it was compiled')
}

const cases: [string, string, string][] = [
  [
    'a range of too many rounds at most',
    'for (const i of range(limit, 10_000_000)) total += i',
    '10:17 a loop can have 8388608 rounds at most, and this one has 10000000 | The kernel does not let a program run for longer. Do the rest another time, or put a loop into a loop.',
  ],
  [
    'a loop down to 0 of a number that is never below 0',
    'for (let i = 9; i >= 0; i--) total += i',
    "10:17 this is always true: 'i' is a u64 | Numbers without a sign are never less than 0. Write let i: s64.",
  ],
  [
    'a number without a sign that is compared with a negative one',
    'let i: u32 = 9\nwhile (i > -1) i--',
    '11:8 -1 would be compared as 4294967295, since the other side has no sign | Convert that side first: s64(x).',
  ],
  [
    'a loop to a number that its variable never has',
    'let i: u8 = 0; while (i < 300) i++',
    "10:23 this is always true: 'i' is a u8 | Give 'i' a larger type, or write while (true) and leave the loop with break.",
  ],
  [
    'log2 of nothing',
    'total = log2()',
    '10:9 log2 needs one number, and the largest result as a second argument, if you like | Write log2(value).',
  ],
  [
    'log2 with a largest result that is not constant',
    'total = log2(total, total)',
    '10:21 the largest result of log2 is a constant from 0 to 63',
  ],
  [
    'a most that is not constant',
    'for (const i of range(limit, limit)) total += i',
    '10:30 the second argument of range is the most rounds, a constant',
  ],
  [
    'a range without an end',
    'for (const i of range()) total += i',
    '10:17 range needs its number of rounds | Write range(10), or range(n, 64).',
  ],
  [
    'a loop over something else',
    'for (const i of list) total += i',
    '10:1 a loop goes over a range of numbers here | Write for (const i of range(10)) { ... }.',
  ],
  [
    'a label before an if',
    'a: if (limit > 3) total = 1',
    '10:4 a label is only allowed before a loop or a switch',
  ],
  [
    'a label that is not around',
    'a: for (const i of range(3)) { }\nfor (const j of range(3)) { if (j === 1) break }\nfor (const j of range(3)) continue b',
    '12:27 there is no loop here to leave',
  ],
  [
    'a case that is not constant',
    'switch (limit) { case total: break }',
    '10:23 a case is a constant number',
  ],
  [
    'a case that stands twice',
    'switch (limit) { case 1: break; case 1: break }',
    '10:38 the case 1 is here twice',
  ],
  [
    'a record that one case gives back',
    'const e = events.reserve()\nif (!e) return 0\nswitch (limit) {\n  case 1: events.discard(e); break\n  case 2: break\n}',
    "12:1 the record 'e' is released on one path through this switch, and not on the other",
  ],
  [
    'a comparison that converts',
    'if (limit == 3) total = 1',
    "10:5 '==' converts its sides in TypeScript, and the kernel side does not | Write ===.",
  ],
  [
    'a value that may be missing',
    'total = counts.get(1)?.value',
    '10:9 this has no value if the pointer is null | Give a value for that case: counts.get(1)?.value ?? 0.',
  ],
  [
    'another value for what is never null',
    'total = limit ?? 3',
    "10:9 limit is never null | '??' gives another value where a pointer is null: counts.get(1)?.value ?? 0.",
  ],
  ['too few elements', 'const a: array<u32, 3> = [1, 2]', '10:26 the array has 3 elements, and 2 are given'],
  ['a hole', 'const a: array<u32, 3> = [1, , 2]', '10:26 the elements are written one by one'],
  [
    'zeros of no type',
    'const a = zero()',
    '10:11 zero needs a type | Write zero<array<u32, 16>>(), or give the variable one.',
  ],
  [
    'zeros of another type',
    'const a: Pair = zero<Event>()',
    '10:17 zero<Event>() cannot be assigned to a Pair',
  ],
  [
    'a member that cannot be taken out',
    'const { pud } = task',
    "10:9 struct task_struct has no member 'pud' in this kernel | Did you mean 'pid'?",
  ],
  [
    'a member with a value of its own',
    'const { pid = 3 } = task',
    '10:9 a destructured member cannot have a default value here',
  ],
  [
    'the rest of a struct',
    'const { pid, ...rest } = task',
    '10:14 members are taken by their names: { pid, comm: name }',
  ],
  ['a let that is taken apart', 'let { pid } = task', '10:5 what is taken apart has to be const'],
  [
    'an array that is taken apart',
    'const [a] = list',
    '10:7 a declaration has a name here | Members are taken as const { pid, tgid } = task.',
  ],
  [
    'an index that is not kept within the array',
    'total = list[limit]',
    '10:14 the index has to be a constant, unless the length of the array is a power of two | Such an index is kept within the array: array<..., 8>.',
  ],
  [
    'an index that a loop takes too far',
    'for (const i of range(7)) total += list[i]',
    '10:41 the index has to be a constant, unless the length of the array is a power of two | Such an index is kept within the array: array<..., 8>.',
  ],
]

const ofKernel: [string, string, string][] = [
  [
    'a size of nothing',
    'total = sizeof()',
    '10:9 sizeof has one argument | Write sizeof<Event>(), or sizeof(task.comm).',
  ],
  ['a size of a map', 'total = sizeof(counts)', "10:16 the map 'counts' has no size that is known"],
  [
    'a variable that always exists',
    'total = exists(limit) ? 1 : 0',
    "10:16 a value in memory is always there | exists asks for a member of one of the kernel's structs, or for enumValue(...).",
  ],
  [
    'a member that the program does not know',
    'if (exists(task.nope)) total = 1',
    "10:17 struct task_struct has no member 'nope' in this kernel",
  ],
  [
    'an enum that does not exist',
    "total = enumValue('bpf_map_typ', 'BPF_MAP_TYPE_HASH')",
    "10:19 this kernel has no enum 'bpf_map_typ' | Did you mean 'bpf_map_type'?",
  ],
  [
    'a value that an enum does not have',
    "total = enumValue('bpf_map_type', 'BPF_MAP_TYPE_HAHS')",
    "10:35 enum bpf_map_type has no value 'BPF_MAP_TYPE_HAHS' in this kernel | Did you mean 'BPF_MAP_TYPE_HASH'?",
  ],
  [
    'an enum without its value',
    "total = enumValue('bpf_map_type')",
    "10:9 enumValue needs the names of an enum of the kernel and of its value | Write enumValue('bpf_map_type', 'BPF_MAP_TYPE_HASH').",
  ],
  [
    'a flavor of another struct',
    'total = flavor<Pair>(task).b',
    "10:16 'Pair' is not a flavor of the kernel's struct task_struct | Such an interface is called task_struct___old, or has another word behind the three underscores.",
  ],
  [
    'a cast without an address',
    "total = cast('task_struct').pid",
    "10:9 cast needs the name of a struct of the kernel and an address | Write cast('tcp_sock', sk).",
  ],
  [
    'a cast to a struct that there is not',
    "total = cast('task_strict', task).pid",
    "10:14 this kernel has no struct 'task_strict' | Did you mean 'task_struct'?",
  ],
  [
    'a number as a flavor of a struct',
    'total = flavor<Pair>(limit).b',
    '10:22 a number is not a pointer to a struct of the kernel',
  ],
  [
    'text that is too long to be equal',
    "if (task.comm === 'more than sixteen') total = 1",
    '10:19 this text has 17 bytes, and with the zero byte at its end it is never in a char<16>',
  ],
  [
    'text that is no text',
    "if (limit === 'a') total = 1",
    "10:15 a number is compared with text here | 'a' is the number 97.",
  ],
  ['an empty start', "if (task.comm.startsWith('')) total = 1", '10:26 every text starts with an empty one'],
  [
    'a start that is not known',
    'if (task.comm.startsWith(limit)) total = 1',
    "10:5 startsWith needs text | Write comm.startsWith('ba').",
  ],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the hint shows one
  ['print of a number', 'print(3)', '10:1 print needs text | Write print(`pid ${pid}`).'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a program's own template
  ['print of a map', 'print(`${counts}`)', "10:10 the map 'counts' cannot be printed"],
  ['str on its own', 'total = str(3)', '10:9 str(...) has to be assigned to a char<N>'],
  [
    'zero on its own',
    'total = zero() + 1',
    '10:9 zero needs a type, and nothing else | Write zero<Event>().',
  ],
]

describe('a mistake with what the kernel has', () => {
  it.each(ofKernel)('%s', (_, body, expected) => {
    expect(mistake(body)).toBe(expected)
  })
})

describe('a mistake in the language', () => {
  it.each(cases)('%s', (_, body, expected) => {
    expect(mistake(body)).toBe(expected)
  })
})

const forOldKernels: [string, string, string, string][] = [
  [
    'a loop without an end',
    '5.10',
    'while (total !== 0) total >>= 1',
    '10:8 a loop whose end the kernel has to find needs Linux 5.17, and the program has to load into 5.10 | Write for (const i of range(100)) { ... }, and leave it with break.',
  ],
  [
    'a bound that is not constant',
    '5.15',
    'let s: u32 = 0\nfor (let i: u32 = 0; i < limit; i++) s += i',
    '11:22 a loop whose end the kernel has to find needs Linux 5.17, and the program has to load into 5.15 | Write for (const i of range(100)) { ... }, and leave it with break.',
  ],
  [
    'a line with a percent sign',
    '5.10',
    "print('100%')",
    '10:1 a percent sign in print needs Linux 5.13, and the program has to load into 5.10 | Write percent.',
  ],
  [
    'a line of two texts',
    '5.10',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a program's own template
    'print(`${task.comm} ${task.comm}`)',
    '10:23 print with more than one text needs Linux 5.13, and the program has to load into 5.10 | Print two lines.',
  ],
  [
    'a line of four values',
    '5.10',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a program's own template
    'print(`${1} ${2} ${3} ${4}`)',
    '10:25 print with more than three values needs Linux 5.16, and the program has to load into 5.10 | Print two lines.',
  ],
  [
    'a range that is not constant',
    '5.15',
    'for (const i of range(limit)) total += i',
    '10:23 a range whose end is not a constant needs Linux 5.17, and the program has to load into 5.15 | Say how many rounds there are at most: range(limit, 64).',
  ],
]

describe('what the oldest kernel lacks', () => {
  it.each(forOldKernels)('%s, for Linux %s', (_, oldestKernel, body, expected) => {
    expect(mistake(body, { oldestKernel })).toBe(expected)
  })
})

const enums: [string, string, string][] = [
  ['without values', 'enum E {}', "1:6 'E' has no values"],
  ['with text', "enum E { A = 'a' }", '1:10 a value of an enum is a constant number of 32 bits'],
  [
    'with a number that is too large',
    'enum E { A = 0x1_0000_0000 }',
    '1:10 a value of an enum is a constant number of 32 bits',
  ],
  [
    'with a value that is misspelled',
    'enum E { Red }\nexport const p = syscall(() => E.Rde)',
    "2:34 E has no 'Rde' | Did you mean 'Red'?",
  ],
]

describe('a mistake with an enum', () => {
  it.each(enums)('%s', (_, text, expected) => {
    expect(() => compile(text, { file: 'p.bpf.ts' })).toThrow(CompileError)
    try {
      compile(text)
    } catch (error) {
      const { place, reason, hint } = error as CompileError
      expect(`${place.line}:${place.column} ${reason}${hint ? ` | ${hint}` : ''}`).toBe(expected)
    }
  })
})

const functions: [string, string, string][] = [
  [
    'a void function that returns a number',
    'function f(): void { return 3 }\nf()',
    '1:29 this function returns nothing: its type is void',
  ],
  [
    'a pointer of another type',
    'interface A { x: u32 }\ninterface B { y: u32 }\nfunction f(a: A): u32 { return a.x }\nconst b: B = { y: 1 }\nf(b)',
    "6:3 this is a B, and 'a' is declared as A",
  ],
  [
    'a number in the place of a struct',
    'interface A { x: u32 }\nfunction f(a: A): u32 { return a.x }\nf(3)',
    "4:3 this is a number, and 'a' is declared as A",
  ],
  [
    'functions that call each other',
    'function f(x: u32): u32 { return g(x) }\nfunction g(x: u32): u32 { return f(x) }\nf(1)',
    "2:34 'f' calls itself, and the kernel could not see where that ends | Write a loop.",
  ],
]

describe('a mistake with a function', () => {
  it.each(functions)('%s', (_, text, expected) => {
    const lines = text.split('\n')
    const isTop = (line: string): boolean => /^(function|interface)/.test(line)
    const top = lines.filter(isTop)
    const body = lines.filter((line) => !isTop(line))
    const whole = [...top, 'export const p = syscall(() => {', ...body, 'return 0 })'].join('\n')
    expect(() => compile(whole, { file: 'p.bpf.ts' })).toThrow(CompileError)
    try {
      compile(whole)
    } catch (error) {
      const { place, reason, hint } = error as CompileError
      expect(`${place.line}:${place.column} ${reason}${hint ? ` | ${hint}` : ''}`).toBe(expected)
    }
  })
})
