// What somebody writes who knows TypeScript, and not the kernel: each mistake has a line, a sentence, and mostly a hint.
import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'

const head = `interface Event { pid: u32; comm: char<16> }
interface Ethernet { to: bytes<6>; from: bytes<6>; type: be16 }
export const events = ringbuf<Event>(65536)
export const counts = hash<u32, u64>(16)
export const last = hash<u32, Event>(16)
export const slots = array<u64>(4)
export const limit = rodata<u32>(5)
export let total = data<u64>(0)
export let name = bss<char<16>>()
function twice(x: u32): u32 { return x * 2 }
`

/** The message without the line that is shown. */
function mistake(text: string): string {
  try {
    compile(text, { file: 'p.bpf.ts' })
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    const { line, column, text: shown } = error.place
    expect(error.message).toContain(`p.bpf.ts:${line}:${column}: ${error.reason}\n\n  ${shown}\n`)
    return `${line}:${column} ${error.reason}${error.hint === undefined ? '' : ` | ${error.hint}`}`
  }
  throw new Error('it was compiled')
}

type Mistake = [title: string, text: string, expected: string]

/** Line 12 is the first of the body. */
const inTracepoint: Mistake[] = [
  [
    'a number plus text',
    'total = 1 + "a"\nreturn 0',
    '12:9 text cannot be joined in the kernel | Send its parts in an event, and join them in Node.js. For a look at them, write print(`...`).',
  ],
  [
    'a template string',
    'const s = `a${task.tgid}`\nreturn 0',
    '12:11 text can only be assigned to a char<N> | Numbers become text in Node.js. For a look at them, write print(`...`).',
  ],
  [
    'console',
    'console.log(task.tgid)\nreturn 0',
    "12:1 there is no 'console' here | Write print(`...`) and read it with npx libbpf-node trace, or send an event.",
  ],
  [
    'Math',
    'total = Math.max(1, 2)\nreturn 0',
    "12:9 there is no 'Math' here | Write it with numbers: a > b ? a : b. For Math.log2, there is log2(x).",
  ],
  [
    'Date',
    'total = Date.now()\nreturn 0',
    "12:9 there is no 'Date' here | bpf.ktimeGetNs() is the time since the machine was started, in nanoseconds.",
  ],
  [
    'JSON',
    'JSON.stringify(task)\nreturn 0',
    "12:1 there is no 'JSON' here | Send the numbers in an event, and make text of them in Node.js.",
  ],
  [
    'process',
    'total = process.pid\nreturn 0',
    "12:9 there is no 'process' here | bpf.getCurrentPidTgid() has the running process and thread.",
  ],
  [
    'throw',
    'throw new Error("x")',
    '12:1 the kernel has no exceptions | Return a number that says what happened, and compare it where you call the function.',
  ],
  [
    'try',
    'try { total = 1 } catch {}\nreturn 0',
    '12:1 the kernel has no exceptions | Return a number that says what happened, and compare it where you call the function.',
  ],
  [
    'a class in a program',
    'class A {}\nreturn 0',
    '12:1 the kernel side has no classes | Write an interface for the data, and functions for what is done with it.',
  ],
  [
    'new',
    'const a = new Map()\nreturn 0',
    '12:11 the kernel side has no objects on a heap | Declare a variable with an interface as its type, or use a map.',
  ],
  [
    'an async function in a program',
    'async function f() {}\nreturn 0',
    '12:1 a function is declared at the top of the file | Move it there, and pass what it needs as parameters.',
  ],
  [
    'await',
    'await 1\nreturn 0',
    '12:1 a program in the kernel cannot wait | Send an event, and do in Node.js what takes time.',
  ],
  [
    'spreading an array',
    'const a = [...slots]\nreturn 0',
    '12:11 the kernel side has no objects on a heap | Declare a variable with an array as its type: const list: array<u32, 3> = [1, 2, 3].',
  ],
  [
    'spreading a struct',
    'events.emit({ ...task, pid: 1 })\nreturn 0',
    "12:15 the kernel side has no '...' | Name the members, elements or arguments one by one.",
  ],
  [
    'a function in a program',
    'function f(x: u32): u32 { return x }\ntotal = f(1)\nreturn 0',
    '12:1 a function is declared at the top of the file | Move it there, and pass what it needs as parameters.',
  ],
  [
    'delete',
    'delete task.tgid\nreturn 0',
    '12:1 a member of a struct cannot be deleted | Entries of a map can: counts.delete(key).',
  ],
  [
    'typeof',
    "if (typeof task === 'object') total = 1\nreturn 0",
    '12:5 the type of a value is known when the program is compiled',
  ],
  [
    'instanceof',
    'if (task instanceof Object) total = 1\nreturn 0',
    '12:5 a value of the kernel has no class',
  ],
  [
    'in',
    "if ('a' in task) total = 1\nreturn 0",
    '12:5 a struct has the same members at any time | exists(task.member) says whether the kernel has one, and counts.get(key) !== null whether a map has an entry.',
  ],
  [
    'for ... in',
    'for (const k in task) total += 1\nreturn 0',
    '12:1 the members of a struct cannot be looped over | Name them one by one.',
  ],
  [
    'a loop over an array literal',
    'for (const x of [1,2]) total += x\nreturn 0',
    '12:1 a loop goes over a range of numbers here | Write for (const i of range(10)) { ... }.',
  ],
  [
    'forEach of an array',
    '[1,2].forEach((x) => 0)\nreturn 0',
    '12:1 the kernel side has no objects on a heap | Declare a variable with an array as its type: const list: array<u32, 3> = [1, 2, 3].',
  ],
  [
    'has of a map',
    'if (counts.has(1)) total = 1\nreturn 0',
    "12:12 hash has no function 'has' | Write get(key) !== null.",
  ],
  [
    'the size of a map',
    'total = counts.size\nreturn 0',
    "12:16 the map 'counts' has no member 'size' | An entry is read with get(key). How many there are is known in Node.js only.",
  ],
  [
    'a map with brackets',
    'total = counts[1]\nreturn 0',
    "12:9 the map 'counts' has no elements | Write counts.get(1).",
  ],
  [
    'a pointer where its number is meant',
    'const n = counts.get(1)\nif (!n) return 0\ntotal = n\nreturn 0',
    '14:9 a pointer into a map or a packet is not a number | The number is n.value.',
  ],
  [
    'a pointer that is counted up',
    'const n = counts.get(1)\nif (!n) return 0\nn += 1\nreturn 0',
    "14:1 'n' cannot be assigned to: it is a pointer into a map or a packet | The number is n.value.",
  ],
  [
    'a pointer in a let',
    'let n = counts.get(1)\nif (!n) return 0\nn.value += 1\nreturn 0',
    "12:9 'n' is a pointer into a map or a packet, which has to be const | Write const n = .... What it points to can still change.",
  ],
  [
    'an exclamation mark instead of a comparison',
    'counts.get(1)!.value += 1\nreturn 0',
    '12:1 this may be null here | Give it a name first, and compare that: if (!value) return 0.',
  ],
  [
    'a pointer where it is null',
    'const n = counts.get(1)\nif (!n) n.value = 1\nreturn 0',
    "13:9 'n' is null here",
  ],
  [
    'a pointer behind the if that compared it',
    'const n = counts.get(1)\nif (n) total = 1\nn.value = 1\nreturn 0',
    "14:1 'n' may be null here | Compare it first: if (!n) return 0.",
  ],
  [
    'a struct in a map without all members',
    'last.set(1, { pid: 1 })\nreturn 0',
    "12:13 Event also has 'comm'",
  ],
  [
    'a number for a struct in a map',
    'last.set(1, 1)\nreturn 0',
    '12:13 a struct is wanted here, and this is a number | Write its members, { pid: 1 }, or name a variable that is one.',
  ],
  [
    'a struct as a key of numbers',
    'counts.set({ pid: 1 }, 1)\nreturn 0',
    '12:12 a u32 is wanted here, and this is a struct',
  ],
  [
    'text as a key of numbers',
    "counts.set('a', 1)\nreturn 0",
    '12:12 text can only be assigned to a char<N>',
  ],
  [
    'a key that may not fit',
    'counts.set(bpf.ktimeGetNs(), 1)\nreturn 0',
    '12:12 u64 does not fit u32 | Write u32(...) to cut it off.',
  ],
  [
    'a key below 0',
    'counts.set(-1, 1)\nreturn 0',
    '12:12 -1 does not fit u32 | Numbers without a sign are never negative: choose s32, or write u32(-1) for its bits.',
  ],
  [
    'adding to structs',
    'last.add(1, 1)\nreturn 0',
    '12:1 add needs a map whose values are numbers of 32 or 64 bits',
  ],
  [
    'adding a negative number',
    'counts.add(1, -1)\nreturn 0',
    '12:15 -1 does not fit u64 | Numbers without a sign are never negative: choose s64, or write u64(-1) for its bits.',
  ],
  [
    'emitting a number',
    'events.emit(1)\nreturn 0',
    '12:13 a struct is wanted here, and this is a number | Write its members, { pid: 1 }, or name a variable that is one.',
  ],
  ['emitting nothing', 'events.emit()\nreturn 0', '12:1 emit has 1 argument, and 0 are given'],
  [
    'emitting a struct of the kernel',
    'events.emit(task)\nreturn 0',
    "12:13 a struct is wanted here, and this is a pointer to the kernel's struct task_struct | Write its members, { pid: 1 }, or name a variable that is one.",
  ],
  [
    'emit of a map',
    'counts.emit({ pid: 1 })\nreturn 0',
    "12:8 hash has no function 'emit' | It has get, set, setNew, setExisting, add, delete, forEach.",
  ],
  [
    'get of a ring buffer',
    'events.get(1)\nreturn 0',
    "12:8 ringbuf has no function 'get' | It has reserve, reserveDynptr, submit, discard, emit.",
  ],
  [
    'push of a ring buffer',
    'events.push({ pid: 1 })\nreturn 0',
    "12:8 ringbuf has no function 'push' | It has reserve, reserveDynptr, submit, discard, emit.",
  ],
  ['submitting a number', 'events.submit(1)\nreturn 0', '12:15 submit needs a record from events.reserve()'],
  [
    'reserve with a size',
    'const e = events.reserve(16)\nif (!e) return 0\nevents.submit(e)\nreturn 0',
    '12:11 reserve has 0 arguments, and 1 is given',
  ],
  [
    'a record that is kept in a loop',
    'for (const i of range(2)) {\n  const e = events.reserve()\n  if (!e) return 0\n}\nreturn 0',
    "14:11 the record 'e' is still reserved here | Call events.submit(e) or events.discard(e) first, or use events.emit({ ... }).",
  ],
  [
    'a record that is kept by break',
    'for (const i of range(2)) {\n  const e = events.reserve()\n  if (!e) break\n  if (i === 1) break\n  events.submit(e)\n}\nreturn 0',
    "15:16 the record 'e' is still reserved here | Call events.submit(e) or events.discard(e) first, or use events.emit({ ... }).",
  ],
  [
    'a record in a let',
    'let e = events.reserve()\nif (!e) return 0\nevents.submit(e)\nreturn 0',
    "12:9 'e' is a record, which has to be const | Write const e = .... What it points to can still change.",
  ],
  [
    'returning text',
    "return 'a'",
    '12:8 a program returns a number | Send text and structs to user space with an event, or keep them in a map.',
  ],
  [
    'returning 64 bits',
    'return bpf.ktimeGetNs()',
    '12:8 u64 does not fit s32 | Write s32(...) to cut it off.',
  ],
  ['returning a struct', 'return task', "12:8 a pointer to the kernel's struct task_struct is not a number"],
  [
    'a half',
    'total = 0.5\nreturn 0',
    '12:9 0.5 is not a whole number | The kernel has no fractions. Count in smaller units, such as thousandths.',
  ],
  [
    'a power',
    'total = 2 ** 3\nreturn 0',
    '12:9 the kernel has no powers | Multiply, or shift: 1 << n is 2 to the power of n.',
  ],
  [
    'a large number without an n',
    'total = 0xffffffffffffffff\nreturn 0',
    '12:9 0xffffffffffffffff is larger than the numbers that JavaScript has exactly | Write it with an n, for its type: u64(0xffffffffffffffffn).',
  ],
  [
    'a number of more than 64 bits',
    'total = 0x1ffffffffffffffffn\nreturn 0',
    '12:9 36893488147419103231 does not fit u64',
  ],
  [
    'a constant that is too large',
    'const x: u32 = 4294967296\nreturn 0',
    '12:16 4294967296 does not fit u32',
  ],
  ['a constant that is too large for its sign', 'const x: s8 = 200\nreturn 0', '12:15 200 does not fit s8'],
  ['counting a const', 'const x: u32 = 1\nx++\nreturn 0', "13:1 'x' is const | Declare it with let."],
  [
    'a negative shift',
    'const x: u32 = 1\ntotal = x << -1\nreturn 0',
    '13:9 a number of 32 bits cannot be shifted by -1',
  ],
  ['a remainder of zero', 'total = 5 % 0\nreturn 0', '12:9 this divides by zero'],
  [
    'two equal signs',
    'if (task.tgid == 1) return 0\nreturn 0',
    "12:5 '==' converts its sides in TypeScript, and the kernel side does not | Write ===.",
  ],
  [
    'two spread arguments',
    'counts.set(...[1, 2])\nreturn 0',
    "12:12 the kernel side has no '...' | Name the members, elements or arguments one by one.",
  ],
  ['a constant that changes', 'const x = 1\nx = 2\nreturn 0', "13:1 'x' is const | Declare it with let."],
  [
    'a line that is logged like a function',
    "log.info('x')\nreturn 0",
    '12:1 a line is logged with a template | Write log.info`hello`.',
  ],
  [
    'another value for what may be missing',
    'total ??= 1\nreturn 0',
    "12:1 a number is never missing, so there is no '??=' | For a pointer, write map.get(key)?.value ?? 0.",
  ],
  [
    'an assignment where it is true',
    'total ||= 1\nreturn 0',
    "12:1 the kernel side has no '||=' | Write if (!a) a = b.",
  ],
  [
    'a map in a program',
    'const m = hash<u32, u32>(4)\nreturn 0',
    "12:11 'hash' can only stand at the top of the file, not in a function | Write export const name = hash<u32, u32>(4) there, and use its name here.",
  ],
  [
    'a member by its text',
    "total = task['pid']\nreturn 0",
    "12:9 a pointer to the kernel's struct task_struct has no elements | Write task.pid.",
  ],
  [
    'a number of the kernel with .value',
    'total = task.pid.value\nreturn 0',
    "12:18 'task.pid' is a number and has no members | Write task.pid.",
  ],
  [
    'an address as text',
    "if (task.pid === '10.0.0.1') total = 1\nreturn 0",
    '12:18 a number is compared with text here | The address is the number 0x0a000001.',
  ],
  [
    'an angle bracket in front of a number',
    'total = <u64>5\nreturn 0',
    '12:9 numbers are converted by the names of their types | Write u32(x).',
  ],
  [
    'a name that all objects of JavaScript have',
    'total = XDP.toString\nreturn 0',
    "12:13 XDP has no 'toString'",
  ],
  [
    'a function that all objects of JavaScript have',
    'constructor(1)\nreturn 0',
    "12:1 there is no function 'constructor'",
  ],
  [
    'the value of a count',
    'const y = total++\nreturn 0',
    '12:11 this has no value | Write it as a statement of its own.',
  ],
  [
    'two assignments in one',
    'let a: u32 = 0\nlet b: u32 = 0\na = b = 5\nreturn 0',
    '14:5 this has no value | To compare, write ===. To assign, write a statement of its own.',
  ],
  [
    'a count that misses its end',
    'for (let i = 10; i > 0; i -= 3) total += i\nreturn 0',
    "12:18 'i' wraps around before this is false: a u64 continues at 18446744073709551615 below 0 | Write let i: s64, or leave the loop with break.",
  ],
  [
    'a count that leaves its type',
    'for (let i: u8 = 0; i < 250; i += 100) total += i\nreturn 0',
    "12:21 'i' wraps around before this is false: a u8 starts again at 0 after 255 | Write let i: s64, or leave the loop with break.",
  ],
  [
    'a variable without a value',
    'let x: u32\nreturn 0',
    "12:5 'x' needs a value | Write let x: u32 = 0, or zero<T>() for a struct.",
  ],
  [
    'a name that is declared twice',
    'const x: u32 = 1\nconst x: u32 = 2\nreturn 0',
    "13:7 Identifier 'x' has already been declared.",
  ],
  [
    'the type any',
    'const x: any = 1\nreturn 0',
    '12:10 this is not a type of the kernel side | There are numbers (u8 to s64, be16 to be64), boolean, char<16>, bytes<6>, array<u32, 4> and interfaces.',
  ],
  [
    'the type string',
    'const x: string = "a"\nreturn 0',
    "12:10 a 'string' has no length in the kernel | Say how long it may be: char<16>.",
  ],
  [
    'the type bigint',
    'const x: bigint = 1n\nreturn 0',
    '12:10 this is not a type of the kernel side | A number of 64 bits is a u64 or an s64.',
  ],
  ['a number as a struct', 'const x: Event = 1\nreturn 0', '12:18 a number cannot be assigned to a Event'],
  [
    'an array without a length',
    'const x: u32[] = [1]\nreturn 0',
    '12:10 this is not a type of the kernel side | An array has a length: array<u32, 4>.',
  ],
  [
    'text without a length',
    'const x: char = "a"\nreturn 0',
    '12:10 the length has to be a number above 0 | Write char<16>.',
  ],
  [
    'text of length 0',
    'const x: char<0> = "a"\nreturn 0',
    '12:15 the length has to be a number above 0 | Write char<16>.',
  ],
  [
    'an array type without a length',
    'const x: array<u32> = [1]\nreturn 0',
    '12:10 an array has a type and a length | Write array<u32, 4>.',
  ],
  [
    'too few elements',
    'const x: array<u32, 3> = [1, 2]\nreturn 0',
    '12:26 the array has 3 elements, and 2 are given',
  ],
  [
    'too many elements',
    'const x: array<u32, 2> = [1, 2, 3]\nreturn 0',
    '12:26 the array has 2 elements, and 3 are given',
  ],
  [
    'an index beyond a local array',
    'const x: array<u32, 2> = [1, 2]\ntotal = x[2]\nreturn 0',
    '13:11 the array has 2 elements, 0 to 1',
  ],
  [
    'a variable index',
    'const x: array<u32, 3> = [1, 2, 3]\ntotal = x[task.tgid]\nreturn 0',
    '13:11 the index has to be a constant, unless the length of the array is a power of two | Such an index is kept within the array: array<..., 4>.',
  ],
  [
    'a union type',
    'const x: u32 | u64 = 1\nreturn 0',
    '12:10 this is not a type of the kernel side | A value has one type; only a ring buffer can have records of several: ringbuf<Started | Ended>(4096).',
  ],
  [
    'a function that does not exist',
    'total = thrice(1)\nreturn 0',
    "12:9 there is no function 'thrice' | Did you mean 'twice'?",
  ],
  [
    'a function as a value',
    'const f = twice\nreturn 0',
    '12:11 a function cannot be a value in the kernel | Call it: twice(...).',
  ],
  ['text for a number', "total = twice('a')\nreturn 0", '12:15 text can only be assigned to a char<N>'],
  ['too many arguments for a function', 'total = twice(1, 2)\nreturn 0', "12:18 'twice' has 1 parameter"],
  [
    'an argument that may not fit',
    'total = twice(bpf.ktimeGetNs())\nreturn 0',
    '12:15 u64 does not fit u32 | Write u32(...) to cut it off.',
  ],
  [
    'a member of a number',
    'total = task.tgid.x\nreturn 0',
    "12:19 'task.tgid' is a number and has no members",
  ],
  [
    'calling something of the kernel',
    'task.wake()\nreturn 0',
    "12:6 a pointer to the kernel's struct task_struct has no function 'wake'",
  ],
  [
    'comparing with text that is too long',
    "if (task.comm === 'a name that is too long for it') return 0\nreturn 0",
    '12:19 this text has 30 bytes, and with the zero byte at its end it is never in a char<16>',
  ],
  [
    'the length of text',
    'total = task.comm.length\nreturn 0',
    '12:19 the kernel does not know how long a text is | sizeof(task.comm) is how much room it has.',
  ],
  [
    'setting an element of a map',
    'counts[task.tgid] = 5\nreturn 0',
    "12:1 the map 'counts' has no elements | Write counts.set(task.tgid, value).",
  ],
  [
    'adding to what get returns',
    'counts.get(1) += 1\nreturn 0',
    '12:1 Invalid left-hand side in assignment expression. | Give it a name first, and assign to what it points to: const n = counts.get(1), then n.value += 1.',
  ],
  [
    'a loop over a map',
    'for (const [k, v] of counts) total += v\nreturn 0',
    '12:1 a loop goes over a range of numbers here | The entries of a map are passed to a function: counts.forEach((key, value) => { ... }).',
  ],
  [
    'a character as text',
    "if (task.comm[0] === 'b') return 1\nreturn 0",
    "12:22 a number is compared with text here | 'b' is the number 98.",
  ],
  ['a bool that is 2', 'let flag = true\nflag = 2\nreturn 0', '13:8 2 does not fit bool'],
  [
    'returning a struct',
    'return { pid: 1 }',
    '12:8 a program returns a number | Send text and structs to user space with an event, or keep them in a map.',
  ],
  [
    'includes',
    "if (task.comm.includes('a')) return 0\nreturn 0",
    "12:15 a part of the kernel's memory has no function 'includes' | Text is compared: comm === 'bash', comm.startsWith('ba').",
  ],
  [
    'comparing two texts of the kernel',
    'if (task.comm === task.real_parent.comm) return 0\nreturn 0',
    "12:5 an array of the kernel can only be assigned to a char<N> or bytes<N> | Text is also compared with a literal: comm === 'bash', comm.startsWith('ba').",
  ],
  [
    'text that is too long for a variable',
    "name = 'a text that is much too long'\nreturn 0",
    '12:8 the text has 28 bytes, and with the zero byte at its end char<16> is too short',
  ],
  [
    'writing text of the kernel',
    "task.comm = 'a'\nreturn 0",
    "12:1 the kernel's own memory can only be read",
  ],
  [
    'adding to rodata',
    'limit += 1\nreturn 0',
    "12:1 'limit' is rodata: only user space sets it, before the program is loaded",
  ],
  [
    'assigning to a function',
    'twice = 5\nreturn 0',
    '12:1 a function cannot be a value in the kernel | Call it: twice(...).',
  ],
  [
    'assigning to a parameter',
    'task = 0\nreturn 0',
    "12:1 'task' cannot be assigned to: it is a pointer to the kernel's struct task_struct",
  ],
  ['bpf.print', 'bpf.print("x")\nreturn 0', "12:5 there is no helper 'print' | Write print(`...`)."],
  [
    'a helper that is not called',
    'total = bpf.ktimeGetNs\nreturn 0',
    "12:13 'bpf' has no member 'ktimeGetNs' | Helpers are called: bpf.ktimeGetNs().",
  ],
  [
    'a helper by its name in C',
    'total = bpf.ktime_get_ns()\nreturn 0',
    "12:13 there is no helper 'ktime_get_ns' | Write bpf.ktimeGetNs(...).",
  ],
  [
    'a helper as in C',
    'total = bpf_ktime_get_ns()\nreturn 0',
    "12:9 there is no function 'bpf_ktime_get_ns' | Write bpf.ktimeGetNs(...).",
  ],
  [
    'the name of a thread as a number',
    'total = bpf.getCurrentComm()\nreturn 0',
    '12:9 text cannot be used as a number',
  ],
  [
    'reading user memory without a type',
    'const x = bpf.probeReadUser(1)\nreturn 0',
    '12:11 bpf.probeReadUser needs the type of what it reads, and an address | Write bpf.probeReadUser<u32>(address).',
  ],
  [
    'a helper of packets in a tracepoint',
    'bpf.skbLoadBytes(0, name)\nreturn 0',
    '12:5 rawTp programs cannot call bpf.skbLoadBytes | Among others, these can: tcIngress, socketFilter, skReuseport, flowDissector.',
  ],
  [
    'a packet in a tracepoint',
    'const e = packet.read<Ethernet>(0)\nreturn 0',
    "12:11 there is no 'packet' here",
  ],
  [
    'range without a number',
    'for (const i of range()) total += i\nreturn 0',
    '12:17 range needs its number of rounds | Write range(10), or range(n, 64).',
  ],
  [
    'assigning to the variable of a range',
    'for (const i of range(3)) i = 5\nreturn 0',
    "12:27 'i' counts the rounds of a range, and cannot be changed | Write for (let i = 0; i < 10; i += 2), or let copy = i.",
  ],
  ['continue outside of a loop', 'continue\nreturn 0', '12:1 there is no loop here to leave'],
  [
    'a label that does not exist',
    'for (const i of range(3)) { break outer }\nreturn 0',
    '12:29 there is no loop here to leave',
  ],
  [
    'a case twice',
    'switch (task.tgid) { case 1: break; case 1: break }\nreturn 0',
    '12:42 the case 1 is here twice',
  ],
  [
    'a case that is a variable',
    'switch (task.tgid) { case total: break }\nreturn 0',
    '12:27 a case is a constant number',
  ],
  [
    'a switch over text',
    "switch (task.comm) { case 'a': break }\nreturn 0",
    "12:9 an array of the kernel can only be assigned to a char<N> or bytes<N> | Text is also compared with a literal: comm === 'bash', comm.startsWith('ba').",
  ],
  [
    'a comma',
    'total = (1, 2)\nreturn 0',
    '12:10 a comma cannot join expressions here | Write them as statements of their own.',
  ],
  [
    'an assignment in a condition',
    'if (total = 1) return 0\nreturn 0',
    '12:5 this has no value | To compare, write ===. To assign, write a statement of its own.',
  ],
  [
    'a choice of pointers',
    'const n = total ? counts.get(1) : counts.get(2)\nreturn 0',
    '12:19 a pointer into a map or a packet is not a number | The number is counts.get(1).value.',
  ],
  [
    'a large array on the stack',
    'const a = zero<array<u64, 100>>()\nreturn 0',
    '12:7 the function needs 800 bytes of stack, and the kernel has 512 | Put what is large into a map, or into the record of a ring buffer.',
  ],
  [
    'debugger',
    'debugger\nreturn 0',
    '12:1 a program in the kernel cannot be stopped | Write print(`...`), or send an event with what you want to know.',
  ],
  [
    'this',
    'total = this.x\nreturn 0',
    "12:9 there is no 'this' in the kernel | Keep data in a map or in a global variable.",
  ],
  [
    'a regular expression',
    'if (/a/.test(task.comm)) return 0\nreturn 0',
    "12:5 the kernel has no regular expressions | Write comm === 'bash' or comm.startsWith('ba').",
  ],
  [
    'null as a number',
    'total = null\nreturn 0',
    '12:9 null is only there to compare with | Use 0 for a number that is not set.',
  ],
  [
    'undefined as a number',
    'total = undefined\nreturn 0',
    "12:9 there is no 'undefined' here | It is only there to compare with. Use 0 for a number that is not set.",
  ],
  [
    'setTimeout',
    'setTimeout(() => 0, 1)\nreturn 0',
    "12:1 there is no function 'setTimeout' | A program runs when its hook is reached. Do in Node.js what happens later.",
  ],
  [
    'Number()',
    'total = Number(1)\nreturn 0',
    "12:9 there is no function 'Number' | Numbers are converted by the names of their types: u32(x), u64(x), s64(x).",
  ],
  [
    'String()',
    'name = String(1)\nreturn 0',
    "12:8 there is no function 'String' | Numbers become text in Node.js.",
  ],
]

const inPacket: Mistake[] = [
  [
    'a packet that is read without a comparison',
    'const e = packet.read<Ethernet>(0)\nreturn e.type',
    "13:8 'e' may be null here | Compare it first: if (!e) return XDP.PASS.",
  ],
  [
    'a packet without a type',
    'const e = packet.read(0)\nreturn 0',
    '12:11 this needs the type of what it reads | Write packet.read<Ethernet>(0).',
  ],
  [
    'a negative offset',
    'const e = packet.read<Ethernet>(-1)\nreturn 0',
    '12:33 an offset in a packet is 0 to 32767',
  ],
  [
    'a packet without an offset',
    'const e = packet.read<Ethernet>()\nreturn 0',
    '12:11 this needs the offset in the packet | Write packet.read<Ethernet>(0).',
  ],
  ['a packet with brackets', 'total = packet[0]\nreturn 0', '12:9 the packet has no elements'],
  [
    'a member of the packet that does not exist',
    'total = packet.lenght\nreturn 0',
    "12:16 struct xdp_md has no member 'lenght'",
  ],
  [
    'the edge of a packet',
    'total = packet.data\nreturn 0',
    "12:16 'data' is an edge of the packet, not a number | Read the packet with packet.read<T>(offset).",
  ],
  [
    'a function of packets that does not exist',
    'packet.peek(1)\nreturn 0',
    "12:8 the packet has no function 'peek' | It has read, load, store, cursor, dynptr.",
  ],
  [
    'a pointer into a packet that has changed',
    'const e = packet.read<Ethernet>(0)\nif (!e) return XDP.PASS\nbpf.xdpAdjustHead(-14)\ntotal = e.type\nreturn XDP.PASS',
    "15:9 'e' points to where the packet was before it was changed | Read it again.",
  ],
  [
    'a port that is too large',
    'const e = packet.read<Ethernet>(0)\nif (!e) return XDP.PASS\ne.type = 0x12345\nreturn XDP.PASS',
    '14:10 74565 does not fit be16',
  ],
  [
    'bytes as a number',
    'const e = packet.read<Ethernet>(0)\nif (!e) return XDP.PASS\ntotal = e.to\nreturn XDP.PASS',
    '14:9 an array cannot be used as a number | Name an element: list[0]. Arrays are compared element by element.',
  ],
  [
    'comparing bytes',
    'const e = packet.read<Ethernet>(0)\nif (!e) return XDP.PASS\nif (e.to === e.from) total = 1\nreturn XDP.PASS',
    '14:5 an array cannot be used as a number | Name an element: list[0]. Arrays are compared element by element.',
  ],
]

const inFile: Mistake[] = [
  [
    'a hook without a name',
    'export const p = rawTp((t) => 0)',
    "1:18 the first argument of rawTp is the name of what it is attached to | Write it as text: rawTp('...', ...).",
  ],
  [
    'a constant of text',
    "const n = 'sched_switch'\nexport const p = rawTp(n, (t) => 0)",
    '1:11 text is no constant here, except for the license | Write it where it is used, or let user space set it: rodata<char<16>>().',
  ],
  [
    'a hook without a function',
    "export const p = rawTp('sched_switch')",
    '1:18 the last argument of rawTp is the function that runs in the kernel | Write it here: (task) => { ... }.',
  ],
  [
    'a function by its name as a program',
    "function f() { return 0 }\nexport const p = rawTp('sched_switch', f)",
    '2:18 the last argument of rawTp is the function that runs in the kernel | Write it here: (task) => { ... }.',
  ],
  [
    'an async program',
    "export const p = rawTp('sched_switch', async (t) => 0)",
    '1:40 a program in the kernel cannot wait, so no function is async | Send an event, and do in Node.js what takes time.',
  ],
  [
    'parameters that are taken apart',
    "export const p = rawTp('sched_switch', ({ a }) => 0)",
    '1:41 a parameter of a program is a name',
  ],
  [
    'a kernel function that does not exist',
    "export const p = kprobe('do_unlinkatt', (t) => 0)",
    "1:25 this kernel has no function 'do_unlinkatt' | Did you mean 'do_unlinkat'?",
  ],
  [
    'a security hook that does not exist',
    "export const p = lsm('file_opne', (t) => 0)",
    "1:22 this kernel has no LSM hook 'file_opne' | Did you mean 'file_open'?",
  ],
  [
    'a recorded tracepoint that does not exist',
    "export const p = tracepoint('sched/sched_swich', (t) => 0)",
    "1:29 the kernel's types have no record of the tracepoint 'sched/sched_swich' | Did you mean 'sched_switch'?",
  ],
  [
    'an iterator that does not exist',
    "export const p = iter('taks', (t) => 0)",
    "1:23 this kernel has no iterator 'taks' | Did you mean 'task'?",
  ],
  [
    'a statement at the top',
    'total = 1',
    '1:1 only types, maps, global variables, functions and programs can stand here',
  ],
  [
    'a class at the top',
    'class A {}',
    '1:1 the kernel side has no classes | Write an interface for the data, and functions for what is done with it.',
  ],
  [
    'an import of Node.js',
    "import fs from 'node:fs'\nexport const p = syscall(() => 0)",
    "1:16 a program in the kernel cannot import 'node:fs' | Only 'libbpf-node/kernel' and files of your own can be imported: the kernel has nothing of Node.js.",
  ],
  [
    'an import that does not exist',
    "import { rawTpp } from 'libbpf-node/kernel'\nexport const p = syscall(() => 0)",
    "1:10 'libbpf-node/kernel' has no 'rawTpp' | Did you mean 'rawTp'?",
  ],
  [
    'an import of a file that is not there',
    "import { x } from './x.js'\nexport const p = syscall(() => 0)",
    "1:19 there is no file './x.ts' | An import is relative to the file that it is in.",
  ],
  [
    'a default export',
    'export default 1',
    '1:1 only types, maps, global variables, functions and programs can stand here',
  ],
  [
    'a map whose size is no constant',
    'export const m = hash<u32, u64>(n)\nexport const p = syscall(() => 0)',
    '1:33 hash needs its size: a constant number of entries',
  ],
  [
    'a map of size 0',
    'export const m = hash<u32, u64>(0)\nexport const p = syscall(() => 0)',
    '1:33 hash needs its size: a constant number of entries',
  ],
  [
    'a map with one type',
    'export const m = hash<u32>(1)\nexport const p = syscall(() => 0)',
    '1:18 hash needs the key and value types | Write hash<u32, u64>(1024).',
  ],
  [
    'a map of plain numbers',
    'export const m = hash<number, u64>(1)\nexport const p = syscall(() => 0)',
    "1:23 a 'number' has no size in the kernel | Say which it is: u8, u16, u32, u64, s8, s16, s32 or s64.",
  ],
  [
    'an array with two types',
    'export const m = array<u32, u64>(1)\nexport const p = syscall(() => 0)',
    '1:18 array needs the type of its values | Write array<u64>(1024).',
  ],
  [
    'a helper that needs a license',
    "export const p = rawTp('sched_process_exec', (task) => {\n  return task.tgid\n})",
    "2:3 bpf_probe_read_kernel is only for programs with a license that is compatible with the GPL | Write export const license = 'GPL'.",
  ],
  [
    'a license that is a number',
    'export const license = 5\nexport const p = syscall(() => 0)',
    "1:24 the license is text | Write export const license = 'GPL'.",
  ],
  [
    'a method of an interface',
    'interface E { f(): void }\nexport const p = syscall(() => 0)',
    "1:15 a member of 'E' is a name with a type",
  ],
  [
    'an optional member',
    'interface E { a?: u32 }\nexport const p = syscall(() => 0)',
    '1:15 a struct always has all of its members | Use 0 to mean that there is no value.',
  ],
  [
    'a member twice',
    'interface E { a: u32; a: u32 }\nexport const p = syscall(() => 0)',
    "1:23 'E' has a member 'a' already",
  ],
  [
    'an interface that extends another',
    'interface A { a: u32 }\ninterface E extends A { b: u32 }\nexport const p = syscall(() => { const e: E = { b: 1 }\n return 0 })',
    '2:21 an interface cannot extend another one here | Write the members of both.',
  ],
  [
    'a member of type string',
    'interface E { a: string }\nexport const p = syscall(() => 0)',
    "1:18 a 'string' has no length in the kernel | Say how long it may be: char<16>.",
  ],
  [
    'an initial value that is text',
    "export let d = data<char<16>>('abc')\nexport const p = syscall(() => 0)",
    '1:31 the initial value has to be a constant number | User space sets other values before it loads the program: object.data.d = ...',
  ],
  [
    'a variable without a type',
    'export let d = data(0)\nexport const p = syscall(() => 0)',
    '1:16 data needs its type | Write data<u32>(0).',
  ],
  [
    'an initial value that does not fit',
    'export let d = data<u8>(300)\nexport const p = syscall(() => 0)',
    '1:25 300 does not fit u8',
  ],
  [
    'rodata in a let',
    'export let d = rodata<u8>(3)\nexport const p = syscall(() => 0)',
    "1:12 'd' has to be const | Write const d.",
  ],
  [
    'a constant that is a fraction',
    'const s = 1.5\nexport const p = syscall(() => 0)',
    '1:11 1.5 is not a whole number | The kernel has no fractions. Count in smaller units, such as thousandths.',
  ],
  [
    'a parameter without a type',
    'function f(x) { return x }\nexport const p = syscall(() => s32(f(1)))',
    "1:12 the parameter 'x' needs a type | Write x: u32.",
  ],
  [
    'a default value',
    'function f(x: u32 = 1): u32 { return x }\nexport const p = syscall(() => s32(f()))',
    '1:12 a parameter is a name with a type | It has no value of its own: each call gives it one.',
  ],
  [
    'rest parameters',
    'function f(...x: u32[]): u32 { return 1 }\nexport const p = syscall(() => s32(f(1)))',
    '1:12 a parameter is a name with a type',
  ],
  [
    'functions that call each other',
    'function f(x: u32): u32 { return g(x) }\nfunction g(x: u32): u32 { return f(x) }\nexport const p = syscall(() => s32(f(1)))',
    "2:34 'f' calls itself, and the kernel could not see where that ends | Write a loop.",
  ],
  [
    'a function that returns a string',
    "function f(): string { return 'a' }\nexport const p = syscall(() => { f()\n return 0 })",
    "1:15 a 'string' has no length in the kernel | Say how long it may be: char<16>.",
  ],
  [
    'a generator',
    'function* f() {}\nexport const p = syscall(() => 0)',
    '1:1 the kernel side has no generators | Write a loop.',
  ],
  [
    'an enum of text',
    "enum E { A = 'a' }\nexport const p = syscall(() => 0)",
    '1:10 a value of an enum is a constant number of 32 bits',
  ],
  [
    'a value that an enum does not have',
    'enum E { A, B }\nexport const p = syscall(() => E.C)',
    "2:34 E has no 'C' | Did you mean 'A'?",
  ],
  [
    'a parenthesis that is missing',
    'export const p = syscall(() => { return (1 })',
    '1:44 Unexpected token, expected ","',
  ],
  [
    'an empty file',
    '',
    "1:1 the file has no program | Write one: export const onExec = rawTp('sched_process_exec', (task) => { ... }).",
  ],
]

const license = "export const license = 'GPL'"

describe('a mistake of a newcomer', () => {
  it.each(inTracepoint)('in a program: %s', (_, body, expected) => {
    const text = `${head}export const p = rawTp('sched_process_exec', (task) => {\n${body}\n})\n${license}`
    expect(mistake(text)).toBe(expected)
  })

  it.each(inPacket)('with a packet: %s', (_, body, expected) => {
    expect(mistake(`${head}export const p = xdp((packet) => {\n${body}\n})\n${license}`)).toBe(expected)
  })

  it.each(inFile)('in a file: %s', (_, text, expected) => {
    expect(mistake(text)).toBe(expected)
  })
})
