import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'

const head = `interface Event { pid: u32; comm: char<16> }
interface Ethernet { to: bytes<6>; from: bytes<6>; type: be16 }
export const events = ringbuf<Event>(4096)
export const others = ringbuf<Event>(4096)
export const counts = hash<u32, u64>(64)
export const limit = rodata<u32>(10)
export let total = data<u64>(0)
const four = 4
function twice(x: u32): u32 { return x * 2 }
`

/** The message without the line that is shown. */
function mistake(text: string): string {
  try {
    compile(text, { file: 'p.bpf.ts' })
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    const { line, column } = error.place
    return `${line}:${column} ${error.reason}${error.hint === undefined ? '' : ` | ${error.hint}`}`
  }
  throw new Error('it was compiled')
}

const inTracepoint = (body: string): string =>
  mistake(`${head}export const p = rawTp('sched_process_exec', (task) => {\n${body}\n})\n`)

/** Line 11 is the first of the body. */
const bodies: [string, string, string][] = [
  [
    'a map value that was not compared',
    'const n = counts.get(1)\nn.value += 1\nreturn 0',
    "12:1 'n' may be null here | Compare it first: if (!n) return 0.",
  ],
  [
    'a value without a name',
    'counts.get(1).value = 2\nreturn 0',
    '11:1 this may be null here | Give it a name first, and compare that: if (!value) return 0.',
  ],
  [
    'a record that was not compared',
    'const e = events.reserve()\ne.pid = 1\nevents.submit(e)\nreturn 0',
    "12:1 'e' may be null here | Compare it first: if (!e) return 0.",
  ],
  [
    'a record that is kept',
    'const e = events.reserve()\nif (!e) return 0\nif (limit > 3) return 0\nevents.submit(e)\nreturn 0',
    "13:16 the record 'e' is still reserved here | Call events.submit(e) or events.discard(e) first, or use events.emit({ ... }).",
  ],
  [
    'a record after it was submitted',
    'const e = events.reserve()\nif (!e) return 0\nevents.submit(e)\ne.pid = 1\nreturn 0',
    "14:1 the record 'e' was submitted or discarded, and belongs to the reader",
  ],
  [
    'a record that is submitted twice',
    'const e = events.reserve()\nif (!e) return 0\nevents.submit(e)\nevents.discard(e)\nreturn 0',
    "14:16 'e' was already released",
  ],
  [
    'a record of another buffer',
    'const e = events.reserve()\nif (!e) return 0\nothers.submit(e)\nreturn 0',
    "13:15 'e' was reserved in 'events'",
  ],
  [
    'a record that is given back on one way',
    'const e = events.reserve()\nif (!e) return 0\nif (limit > 3) events.submit(e)\nreturn 0',
    "13:1 the record 'e' is released on one path through this if, and not on the other",
  ],
  [
    'a record without a name',
    'events.reserve()\nreturn 0',
    '11:1 this record is reserved and nothing can release it | Write const record = events.reserve().',
  ],
  [
    'a member that does not exist',
    'const x = task.real_parnt\nreturn 0',
    "11:16 struct task_struct has no member 'real_parnt' in this kernel | Did you mean 'real_parent'?",
  ],
  [
    'a member of a record that does not exist',
    'events.emit({ pit: 1, comm: task.comm })\nreturn 0',
    "11:15 Event has no member 'pit' | Did you mean 'pid'?",
  ],
  ['a member that is missing', 'events.emit({ pid: 1 })\nreturn 0', "11:13 Event also has 'comm'"],
  [
    'too many rounds',
    'for (let i: u32 = 0; i < 10_000_000; i++) total += i\nreturn 0',
    '11:22 a loop can have 8388608 rounds at most, and this one has 10000000 | The kernel does not let a program run for longer. Do the rest another time, or put a loop into a loop.',
  ],
  [
    'a constant of user space that is written',
    'limit = 3\nreturn 0',
    "11:1 'limit' is rodata: only user space sets it, before the program is loaded",
  ],
  [
    'kernel memory that is written',
    'task.tgid = 3\nreturn 0',
    "11:1 the kernel's own memory can only be read",
  ],
  [
    'a number that does not fit',
    'const e = events.reserve()\nif (!e) return 0\ne.pid = -1\nevents.submit(e)\nreturn 0',
    '13:9 -1 does not fit u32 | Numbers without a sign are never negative: choose s32, or write u32(-1) for its bits.',
  ],
  [
    'a number that is cut off silently',
    'const x: u32 = bpf.ktimeGetNs()\nreturn 0',
    '11:16 u64 does not fit u32 | Write u32(...) to cut it off.',
  ],
  [
    'a fraction',
    'const x = 1.5\nreturn 0',
    '11:11 1.5 is not a whole number | The kernel has no fractions. Count in smaller units, such as thousandths.',
  ],
  [
    'a helper that is misspelled',
    'const x = bpf.ktimeGetNS()\nreturn 0',
    "11:15 there is no helper 'ktimeGetNS' | Did you mean 'ktimeGetNs'?",
  ],
  [
    'too many arguments',
    'const x = bpf.ktimeGetNs(1)\nreturn 0',
    '11:11 ktimeGetNs has 0 arguments, and 1 is given',
  ],
  [
    'a name that does not exist',
    'total = coutns\nreturn 0',
    "11:9 there is no 'coutns' here | Did you mean 'counts'?",
  ],
  [
    'a map function that does not exist',
    'counts.put(1, 2)\nreturn 0',
    "11:8 hash has no function 'put' | It has get, set, setNew, setExisting, add, delete, forEach.",
  ],
  ['a division by zero', 'total = 1 / 0\nreturn 0', '11:9 this divides by zero'],
  [
    'a shift that is too far',
    'const x: u32 = 1\ntotal = x << 40\nreturn 0',
    '12:9 a number of 32 bits cannot be shifted by 40',
  ],
  ['a const that changes', 'const x: u32 = 1\nx = 2\nreturn 0', "12:1 'x' is const | Declare it with let."],
  ['a map that changes', 'counts = counts\nreturn 0', "11:1 the map 'counts' cannot be assigned to"],
  ['code that is never reached', 'return 0\ntotal = 1', '12:1 this is never reached'],
  ['a break outside of a loop', 'break\nreturn 0', '11:1 there is no loop here to leave'],
  [
    'an object',
    'const x = { a: 1 }\nreturn 0',
    '11:11 the kernel side has no objects on a heap | Declare a variable with an interface as its type, or use a map.',
  ],
  [
    'a closure',
    'const f = () => 1\nreturn 0',
    '11:11 a function cannot be a value in the kernel | Declare it at the top of the file, and call it by its name.',
  ],
  ['text as a number', "total = 'a'\nreturn 0", '11:9 text can only be assigned to a char<N>'],
  [
    'text that is too long',
    "events.emit({ pid: 1, comm: 'more than sixteen' })\nreturn 0",
    '11:29 the text has 17 bytes, and with the zero byte at its end char<16> is too short',
  ],
  [
    'a number as text',
    'events.emit({ pid: 1, comm: 5 })\nreturn 0',
    '11:29 a number is not text | Text comes from bpf.getCurrentComm(), a char[] of the kernel, another char<N>, or a literal.',
  ],
  [
    'the type number',
    'const x: number = 1\nreturn 0',
    "11:10 a 'number' has no size in the kernel | Say which it is: u8, u16, u32, u64, s8, s16, s32 or s64.",
  ],
  [
    'a type that does not exist',
    'const x: u23 = 1\nreturn 0',
    "11:10 there is no type 'u23' | Did you mean 'u32'?",
  ],
  ['too few arguments of a function', 'total = twice()\nreturn 0', "11:9 'twice' has 1 parameter"],
  [
    'a struct that is used as a number',
    'total = task\nreturn 0',
    "11:9 a pointer to the kernel's struct task_struct is not a number",
  ],
  [
    'an array of the kernel as a number',
    'total = task.comm\nreturn 0',
    "11:9 an array of the kernel can only be assigned to a char<N> or bytes<N> | Text is also compared with a literal: comm === 'bash', comm.startsWith('ba').",
  ],
  [
    'an index beyond an array',
    'const e: Ethernet = { to: 0 }\nreturn 0',
    '11:27 a number cannot be assigned to an array',
  ],
]

describe('a mistake in a program', () => {
  it.each(bodies)('%s', (_, body, expected) => {
    expect(inTracepoint(body)).toBe(expected)
  })

  const files: [string, string, string][] = [
    [
      'a tracepoint that does not exist',
      "export const p = rawTp('sched_proces_exec', (t) => 0)",
      "1:24 this kernel has no tracepoint 'sched_proces_exec' | Did you mean 'sched_process_exec'?",
    ],
    [
      'a parameter too many',
      "export const p = rawTp('sched_process_exec', (a, b, c, d) => 0)",
      "1:56 'sched_process_exec' has 3 parameters: p, old_pid, bprm",
    ],
    [
      'no program',
      'export const m = hash<u32, u64>(1)',
      "1:1 the file has no program | Write one: export const onExec = rawTp('sched_process_exec', (task) => { ... }).",
    ],
    [
      'a map with one of two types',
      'export const m = hash<u32>(1)',
      '1:18 hash needs the key and value types | Write hash<u32, u64>(1024).',
    ],
    [
      'a map without types that nothing is put into',
      "export const m = hash(1)\nexport const p = rawTp('sched_switch', () => { m.delete(1); return 0 })",
      "1:18 no program puts anything into 'm', so its types are not known | Write them: hash<u32, u64>(...).",
    ],
    [
      'a map without types whose value is made of what is in it',
      'export const m = hash(1)\nexport const p = syscall(() => {\nconst n = m.get(1)\nif (!n) return 0\nm.set(1, n.value + 1)\nreturn 0\n})',
      "1:18 what programs put into 'm' does not say what its types are | Write them: hash<u32, u64>(...).",
    ],
    [
      'a record of nothing in a ring without a type',
      "export const m = ringbuf(4096)\nexport const p = rawTp('sched_switch', () => { m.emit({}); return 0 })",
      '2:55 a struct has at least one member',
    ],
    [
      'something without a size in a ring without a type',
      "export const m = ringbuf(4096)\nexport const p = rawTp('sched_switch', () => { m.emit({ m }); return 0 })",
      "2:57 the map 'm' cannot be put into a map as it is",
    ],
    [
      'a map without a size',
      'export const m = hash<u32, u64>()',
      '1:18 hash needs its size: a constant number of entries',
    ],
    [
      'a map kind that does not exist',
      'export const m = hsah<u32, u64>(1)',
      "1:18 'hsah' makes neither a map, a global variable nor a program | Did you mean 'hash'?",
    ],
    [
      'a variable that is not const',
      'export let m = hash<u32, u64>(1)',
      "1:12 'm' has to be const | Write const m.",
    ],
    [
      'a global variable that changes, and is const',
      'export const n = data<u32>(0)\nexport const p = syscall(() => {\n  n += 1\n  return 0\n})',
      "3:3 'n' is const | Write export let n instead.",
    ],
    [
      'a struct without members',
      'interface E {}\nexport const m = ringbuf<E>(4096)',
      "1:11 'E' has no members",
    ],
    ['a struct that contains itself', 'interface E { e: E }', "1:11 'E' contains itself"],
    [
      'a function that calls itself',
      'function f(x: u32): u32 { return f(x) }\nexport const p = syscall(() => { return s32(f(1)) })',
      "1:34 'f' calls itself, and the kernel could not see where that ends | Write a loop.",
    ],
    ['a syntax error', 'export const = 1', '1:14 Unexpected token'],
    [
      'a tracepoint without a category',
      "export const p = tracepoint('sched_switch', (ctx) => 0)",
      "1:29 a tracepoint is named with its category | Write 'sched/sched_switch'.",
    ],
    [
      'a packet that was not compared',
      'interface E { type: be16 }\nexport const p = xdp((packet) => {\n  const e = packet.read<E>(12)\n  return e.type === 0x800 ? XDP.PASS : XDP.DROP\n})',
      "4:10 'e' may be null here | Compare it first: if (!e) return XDP.PASS.",
    ],
    [
      'an action that does not exist',
      'export const p = xdp((packet) => XDP.PAS)',
      "1:38 XDP has no 'PAS' | Did you mean 'PASS'?",
    ],
    [
      'too much stack',
      `interface Big { a: array<u64, 70> }\nexport const p = syscall(() => {\n  const b: Big = { a: 0 }\n  return 0\n})`,
      '3:9 the function needs 560 bytes of stack, and the kernel has 512 | Put what is large into a map, or into the record of a ring buffer.',
    ],
  ]

  it.each(files)('%s', (_, text, expected) => {
    expect(mistake(text)).toBe(expected)
  })

  it('is shown with its line and a caret', () => {
    const text = 'export const p = syscall(() => {\n  return nothing\n})'
    expect(() => compile(text, { file: 'p.bpf.ts' })).toThrow(
      "p.bpf.ts:2:10: there is no 'nothing' here\n\n    return nothing\n           ^^^^^^^",
    )
  })
})

describe('the place of a mistake', () => {
  it('is shown below tabs, and on lines that end as on Windows', () => {
    const text =
      "export const p = syscall(() => {\r\n\t\treturn nosuch\r\n})\r\nexport const license = 'GPL'\r\n"
    expect(() => compile(text)).toThrow(
      "program.bpf.ts:2:10: there is no 'nosuch' here\n\n  \t\treturn nosuch\n  \t\t       ^^^^^^",
    )
  })
})
