// Pointers into the memory of a process: `user<T>`, against a real process, and in the emulator.
import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { shop, useProgram } from '../attach/surroundings.js'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { useTracefs } from '../helpers/privileged.js'
import { load } from './load.js'

useTracefs()

/** What it points to is in memory that it has touched: BPF programs cannot read any other. */
const program = useProgram(`
#include <stdint.h>
struct point { uint16_t x; int16_t y; };
struct node { uint32_t value; struct node* next; };
struct request {
  uint32_t id; uint8_t kind; char name[6]; uint16_t port; struct point at; struct node* first;
  const char* path; const char** words; uint64_t values[5]; int32_t debt; uint8_t key[4];
};
__attribute__((noinline)) int handle(struct request* r, struct node* list, int count) {
  __asm__ volatile("" :: "r"(r), "r"(list), "r"(count) : "memory");
  return count;
}
int main(void) {
  struct node c = {30, 0}, b = {20, &c}, a = {10, &b};
  char path[] = "/cart/add", get[] = "GET", fast[] = "fast";
  const char* words[] = {get, fast, 0};
  struct request r = {7, 200, {'o', 'r', 'd', 'e', 'r', 's'}, 0x5000, {3, -4}, &a,
                      path, words, {1, 2, 3, 4, 1ull << 40}, -9, {1, 2, 3, 4}};
  return handle(&r, &a, 3) != 3;
}
`)

const probed = useProgram(shop)

const types = `
interface Point { x: u16; y: s16 }
interface Node { value: u32; next: user<Node> }
interface Request {
  id: u32; kind: u8; name: char<6>; port: be16; at: Point; first: user<Node>
  path: user<char>; words: user<user<char>>; values: array<u64, 5>; debt: s32; key: bytes<4>
}
interface Seen {
  id: u32; kind: u32; port: u32; x: u32; y: s32; first: u32; second: u32; third: u32; beyond: u32
  name: char<8>; path: char<16>; cut: char<6>; word: char<8>; debt: s32; last: u64; sum: u64; list: u64; depth: u32
  at: Point; key: bytes<4>; values: array<u64, 5>; isCart: bool; isOrders: bool; isOther: bool; isFirst: bool
  none: u32; zeros: Point; sizes: array<u32, 4>; kept: user<Node>; keptValue: u32; both: u32
}
`

const body = (where: string): string => `
export const seen = ringbuf<Seen>(65536)
export const byList = hash<user<Node>, user<Node>>(4)
export let head = data<user<Node>>()
export let printed = data<u32>(0)
function sumOf(node: user<Node>): u64 {
  let sum: u64 = 0
  for (let i = 0; i < 8; i++) {
    if (!node) break
    sum += node.value
    node = node.next
  }
  return sum
}
const second = (node: user<Node>): user<Node> => node.next
export const onRequest = ${where}, (request: user<Request>, list: user<Node>, count: u32) => {
  if (!request || list === null) return 0
  const { id, at, values } = request
  const point: Point = request.at
  const whole: Request = request
  let depth: u32 = 0
  let node = list
  for (let i = 0; i < 8; i++) {
    if (!node) break
    depth += 1
    node = node.next
  }
  head = list
  byList.set(list, second(list))
  const kept = byList.get(list)
  if (!kept) return 0
  const nowhere = user<Node>(8)
  const index = count + 1
  seen.emit({
    id, kind: request.kind, port: request.port, x: at.x, y: request.at.y,
    first: request.first.value, second: head.next.value, third: second(list).next.value,
    beyond: second(list).next.next.value,
    name: request.name, path: request.path, cut: request.path, word: request.words[1],
    debt: whole.debt, last: values[index], sum: sumOf(list), list: u64(list), depth,
    at: point, key: request.key, values: request.values,
    isCart: request.path.startsWith('/cart'), isOrders: request.name.startsWith('orde'),
    isOther: request.path === '/cart/ad', isFirst: request.first === list,
    none: nowhere.next.value, zeros: bpf.probeReadUser<Point>(nowhere),
    sizes: [sizeof(request.values), sizeof(request.at), sizeof<Request>(), sizeof(request)],
    kept: kept.value, keptValue: kept.value.value, both: (list || nowhere).value,
  })
  return 0
})`

const expected = {
  id: 7,
  kind: 200,
  port: 80,
  x: 3,
  y: -4,
  first: 10,
  second: 20,
  third: 30,
  beyond: 0,
  // The array has no zero byte at its end, so its last byte has no room.
  name: 'order',
  path: '/cart/add',
  cut: '/cart',
  word: 'fast',
  debt: -9,
  last: 1n << 40n,
  sum: 60n,
  depth: 3,
  at: { x: 3, y: -4 },
  key: Uint8Array.of(1, 2, 3, 4),
  isCart: true,
  isOrders: true,
  isOther: false,
  isFirst: true,
  none: 0,
  zeros: { x: 0, y: 0 },
  keptValue: 20,
  both: 10,
}

describe('user<T>', () => {
  it('reads the structs, lists and text of a process', () => {
    using object = load(types + body(`uprobe('${program()}:handle'`))
    object.attach()
    using ring = object.ringBuffer<Record<string, unknown>>('seen', 'Seen')
    const events: Record<string, unknown>[] = []
    ring.on((event) => void events.push(event))
    execFileSync(program())
    ring.consume()
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject(expected)
    expect([...(events[0]!.values as bigint[])]).toEqual([1n, 2n, 3n, 4n, 1n << 40n])
    expect([...(events[0]!.sizes as number[])]).toEqual([40, 4, 96, 8])
    expect(events[0]!.list).toBe((object.data as { head: bigint }).head)
    expect(events[0]!.kept).not.toBe(events[0]!.list)
  })

  requiresKernel('5.15', 'is an argument of a USDT probe', () => {
    using object = load(`
      export let apples = data<u32>(0)
      export const onSold = usdt('${probed()}:shop:sold', (number: s64, text: user<char>) => {
        if (text === 'apples') apples += 1
        return 0
      })`)
    object.attach()
    execFileSync(probed())
    expect(object.data).toMatchObject({ apples: 3 })
  })

  requiresFeature('kprobes', 'is an argument of a system call', () => {
    using object = load(`
      export let opened = data<u32>(0)
      export const onOpen = ksyscall('openat', (folder: s32, path: user<char>) => {
        if (path === '/etc/hostname') opened += 1
        return 0
      })`)
    object.attach()
    closeSync(openSync('/etc/hostname', 'r'))
    expect((object.data as { opened: number }).opened).toBeGreaterThan(0)
  })
})

/** Where the mistake is, the sentence, and the hint. The body begins in line 7. */
function mistake(body: string, parameters = 'request: user<Request>, length: u32'): string {
  const text = `interface Point { x: u32; y: u32 }
interface Request { id: u32; at: Point; first: user<Point>; name: char<8>; values: array<u32, 4> }
export let newest = data<user<Point>>()
export let total = data<u64>(0)
function takes(point: Point): u64 { return point.x }
export const p = uprobe('/bin/true:main', (${parameters}) => {
${body}
return 0
})
export const license = 'GPL'`
  try {
    compile(text, { file: 'p.bpf.ts' })
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    const { line, column } = error.place
    return `${line}:${column} ${error.reason}${error.hint === undefined ? '' : ` | ${error.hint}`}`
  }
  throw new Error('it was compiled')
}

const cases: [title: string, body: string, expected: string][] = [
  [
    'a member that is written',
    'request.id = 1',
    '7:1 the memory of a process can only be read here | A variable of yours is written there with bpf.probeWriteUser(pointer, variable).',
  ],
  [
    'a member that is added to',
    'request.at.x += 1',
    '7:1 the memory of a process can only be read here | A variable of yours is written there with bpf.probeWriteUser(pointer, variable).',
  ],
  [
    'a number plus a pointer',
    'total = request + 1',
    '7:9 a user<Request> is not a number | An element behind it is pointer[index], and its address is u64(pointer).',
  ],
  [
    'a pointer that is moved on',
    'let at = request\nat += 1',
    '8:1 a user<Request> is not a number | An element behind it is pointer[index], and its address is u64(pointer).',
  ],
  [
    'a variable of the file that is moved on',
    'newest += 1',
    '7:1 a user<Point> is not a number | An element behind it is pointer[index], and its address is u64(pointer).',
  ],
  [
    'a pointer as a number',
    'total = request',
    '7:9 a user<Request> is not a number | Its address is one: write u64(...).',
  ],
  [
    'a pointer that is cut off',
    'total = u32(request)',
    '7:13 a user<Request> is not a number | Its address is one: write u64(...).',
  ],
  [
    'a number as a pointer',
    'newest = length',
    '7:10 a user<Point> is wanted here, and this is a number | If it is an address, write user<Point>(...).',
  ],
  [
    'a pointer to something else',
    'newest = request',
    '7:10 a user<Point> is wanted here, and this is a user<Request>',
  ],
  [
    'a pointer that is compared with a number',
    'if (request === length) total = 1',
    '7:5 a user<Request> is wanted here, and this is a number | If it is an address, write user<Request>(...).',
  ],
  [
    'a pointer where a helper wants memory',
    'bpf.probeWriteUser(length, request)',
    '7:28 a user<Request> is not in memory that the kernel could use here | Copy it first: const copy: Request = request.',
  ],
  [
    'a struct of a process where a helper wants memory',
    'bpf.probeWriteUser(length, request.at)',
    "7:28 a part of a process's memory is not in memory that the kernel could use here | Copy it first: const copy: Point = request.at.",
  ],
  [
    'a pointer where a helper wants a number',
    'bpf.sendSignal(request)',
    '7:16 a user<Request> is not a number | Its address is one: write u64(...).',
  ],
  [
    'a struct where a function takes one',
    'total = takes(request.first)',
    "7:15 this is a user<Point>, and 'point' is declared as Point | Copy it first: const copy: Point = request.first.",
  ],
  [
    'a member that is not there',
    'total = request.firts.x',
    "7:17 Request has no member 'firts' | Did you mean 'first'?",
  ],
  [
    'a member of a number',
    'total = request.id.value',
    "7:20 a u32 has no member 'value' | Write request.id.",
  ],
  [
    'an element behind the end of an array',
    'total = request.values[4]',
    '7:24 the array has 4 elements, 0 to 3',
  ],
  ['a struct as a number', 'total = request.at', '7:9 a Point of a process cannot be used as a number'],
  [
    'text as a number',
    'if (request.name) total = 1',
    "7:5 a char<8> of a process cannot be used as a number | Text is compared with a literal: name === 'a'.",
  ],
  [
    'an array that does not fit',
    'const values: array<u32, 2> = request.values',
    "7:31 a part of a process's memory cannot be assigned to an array",
  ],
  [
    'user without a type',
    'const r = user(length)',
    '7:11 user needs the type of what is at an address, and the address | Write user<Request>(address).',
  ],
  [
    'user without an address',
    'const r = user<Request>()',
    '7:11 user needs the type of what is at an address, and the address | Write user<Request>(address).',
  ],
]

describe('mistakes with user<T>', () => {
  it.each(cases)('%s', (_, body, expected) => {
    expect(mistake(body)).toBe(expected)
  })

  it.each([
    [
      'a pointer to a struct of the kernel',
      'user<kernel.task_struct>',
      "6:55 a user<T> points into the memory of a process, and a kernel.task_struct is in the kernel's | Take its address as a u64, and write cast('task_struct', address).",
    ],
    [
      'a pointer without a type',
      'user',
      '6:50 a pointer into a process has the type of what it points to | Write user<Request>.',
    ],
    ['a pointer to a type that is not there', 'user<Nothing>', "6:55 there is no type 'Nothing'"],
    [
      'a pointer to what only the kernel has',
      'user<timer>',
      '6:55 a timer is not in the memory of a process: it has what belongs to the kernel or to an arena',
    ],
    [
      'a struct instead of a pointer to it',
      'Request',
      '6:48 this argument is a number | A pointer to a Request is a user<Request>.',
    ],
  ])('%s', (_, type, expected) => {
    expect(mistake('const { id } = task', `task: ${type}`)).toBe(expected)
  })
})
