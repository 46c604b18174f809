// Names and types in C that generated code must not trip over. Everything is compiled by the strictest tsc, and then
// run.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BpfMap, BpfObject, EventReader, RingBuffer } from 'libbpf-node'
import { beforeAll, describe, expect, it } from 'vitest'
import { objectPath } from '../helpers/objects.js'
import { gen, libbpfNode, tsc, useFolder } from './helper.js'

const folder = useFolder()
const path = (name: string) => join(folder, name)

const head = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "libbpf-node.bpf.h"
#define RING(name) struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } name SEC(".maps");
char LICENSE[] SEC("license") = "GPL";
struct event { int pid; } *unused_event __attribute__((unused));
`

const sources: Record<string, string> = {
  sections: `
    int first SEC(".data.a.b") = 1; int second SEC(".data.a_b") = 2; int third SEC(".data.custom") = 3;
    RING(data_custom)
    SEC("socket") int run(void *ctx) { return first + second + third; }`,
  rings: `
    RING(load) RING(load_) RING(then) RING(toJSON)
    SEC("socket") int run(void *ctx) { return 0; }`,
  untyped: `
    RING(events)
    SEC("socket") int run(void *ctx) {
      long value = 0x1122334455667788;
      return bpf_ringbuf_output(&events, &value, sizeof(value), 0);
    }`,
  hash: `
    struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, int); __type(value, int); } events SEC(".maps");
    SEC("socket") int run(void *ctx) { return 0; }`,
  written: `
    struct { __uint(type, BPF_MAP_TYPE_USER_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps") LIBBPF_NODE_RECORD(struct event);
    SEC("socket") int run(void *ctx) { return 0; }`,
  tagged: `
    /* Losses are counted. */
    LIBBPF_NODE_RINGBUF(events, 4096) LIBBPF_NODE_RECORD(struct event);
    LIBBPF_NODE_EVENTS(portable, 4096, struct event) LIBBPF_NODE_DOC("either kind");
    SEC("socket") int run(void *ctx) {
      struct event *e = libbpf_node_reserve(events, struct event);
      if (!e) return 1;
      e->pid = 7;
      libbpf_node_submit(events, e);
      return 0;
    }`,
  enums: `
    enum wide { W_ONE = 1, W_BIG = 1ULL << 40 };
    enum wides { WS_NEG = -1, WS_BIG = 1LL << 40 };
    struct bits { enum wide a : 8; enum wide b : 41; enum wides c : 5; enum wide d; enum wide e[2]; };
    struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, enum wide); __type(value, struct bits); } values SEC(".maps");
    const volatile enum wide limit = W_BIG;
    SEC("socket") int run(void *ctx) { return limit != 0; }`,
  many: `
    #define M(n) int m##n;
    #define M10(n) M(n##0) M(n##1) M(n##2) M(n##3) M(n##4) M(n##5) M(n##6) M(n##7) M(n##8) M(n##9)
    struct large { M10(1) M10(2) M10(3) M10(4) M10(5) M10(6) M10(7) M10(8) M10(9) M10(10) M10(11) M10(12) M10(13) int rest[]; };
    struct large *unused_large;
    SEC("socket") int run(void *ctx) { return 0; }`,
  words: `
    /* A Program that fills its BpfMap and RingBuffer; PerfBuffer, Codec, UserRingBuffer, EventReader, EventReaderOptions. */
    const volatile int limit = 5; /* RingBufferOptions and PerfBufferOptions. */
    SEC("socket") int run(void *ctx) { return limit; }`,
}

beforeAll(async () => {
  for (const [name, text] of Object.entries(sources)) {
    const own = name === 'words' ? head.replace(/^struct event.*\n/m, '') : head
    writeFileSync(path(`${name}.bpf.c`), own + text)
  }
  copyFileSync(objectPath('no-type'), path('notype.bpf.o'))
  const files = [...Object.keys(sources).map((name) => path(`${name}.bpf.c`)), path('notype.bpf.o')]
  await gen(...files, '--each', '-I', join(folder, '../../include'))
  writeFileSync(
    path('use.ts'),
    `import type { EventReader, UserRingBuffer } from 'libbpf-node'
import { Hash } from './hash.skel.js'
import { Tagged } from './tagged.skel.js'
import { Untyped } from './untyped.skel.js'
import { Written } from './written.skel.js'
export const bytes = (object: Untyped): EventReader<Uint8Array> => object.events({ interval: 5 })
export const records = (object: Tagged): EventReader<{ pid: number }> => object.events()
// @ts-expect-error the map 'events' has no records, so a name is required
export const wrong = (object: Hash) => object.events()
export const writer = (object: Written): UserRingBuffer<{ pid: number }> => object.events_()
// @ts-expect-error the map 'events' is written to, not read
export const unread = (object: Written) => object.events()
`,
  )
  expect(await tsc(folder)).toBe('')
}, 120_000)

const text = (name: string): string => readFileSync(path(`${name}.skel.ts`), 'utf8')

async function open<T>(name: string, className: string): Promise<BpfObject & T> {
  const module = await import(pathToFileURL(path(`${name}.skel.js`)).href)
  return module[className].open()
}

describe('names of generated members', () => {
  it('are different for sections and maps whose names are the same as an identifier', async () => {
    using object = await open<Record<string, object>>('sections', 'Sections')
    expect(object.data_a_b).toEqual({ first: 1 })
    expect(object.data_a_b_).toEqual({ second: 2 })
    expect(object.data_custom_).toEqual({ third: 3 })
    expect(typeof object.data_custom).toBe('function')
  })

  it('keep a free name for the map that has it', async () => {
    expect(text('rings')).toContain("return this.ringBuffer('load_', undefined, options)")
    using object = await open<Record<string, (() => RingBuffer) | undefined>>('rings', 'Rings')
    const names = ['load_', 'load_2', 'then_', 'toJSON_']
    expect(names.map((name) => typeof object[name])).toEqual(names.map(() => 'function'))
    expect(object.toJSON).toBeUndefined()
  })

  it('do not make an object a thenable', async () => {
    using object = await open<{ then?: unknown }>('rings', 'Rings')
    expect(object.then).toBeUndefined()
    await expect(Promise.resolve(object)).resolves.toBe(object)
  })
})

describe('generated events()', () => {
  it('reads bytes if the type of the records is unknown', async () => {
    using object = await open<{ events(): EventReader<Uint8Array> }>('untyped', 'Untyped')
    object.loadSync()
    using reader = object.events()
    object.program('run').testRunSync({ data: new Uint8Array(64) })
    for await (const record of reader) {
      expect(record).toEqual(new Uint8Array(BigUint64Array.of(0x1122334455667788n).buffer))
      break
    }
  })

  it('reads the records that a tag after LIBBPF_NODE_RINGBUF declares', async () => {
    using object = await open<{ events(): EventReader<{ pid: number }> }>('tagged', 'Tagged')
    object.loadSync()
    using reader = object.events()
    object.program('run').testRunSync({ data: new Uint8Array(64) })
    for await (const record of reader) {
      expect(record).toEqual({ pid: 7 })
      break
    }
    expect(text('tagged')).toMatch(/records: \{\n {4}events: Event\n {4}portable: Event\n/)
    expect(text('tagged')).toContain('Losses are counted.')
    expect(text('tagged')).toMatch(/\* either kind\n {5}\* ringbuf, 4096 bytes/)
  })
})

describe('generated types', () => {
  it('are numbers for narrow bitfields of 64-bit enums', async () => {
    for (const member of ['a: number', 'b: Wide', 'c: number', 'd: Wide', 'e: Wide[]']) {
      expect(text('enums').includes(`  ${member}\n`), member).toBe(true)
    }
    using object = await open<{ maps: { values: BpfMap<bigint, object> } }>('enums', 'Enums')
    object.loadSync()
    const value = { a: 200, b: 1n << 40n, c: -1, d: 1n << 40n, e: [1n, 2n] }
    object.map<bigint, object>('values').set(1n, value)
    expect(object.map<bigint, object>('values').get(1n)).toEqual(value)
  })

  it('fit the constructors of large structs', async () => {
    const { Large: codec } = await import(pathToFileURL(path('many.skel.js')).href)
    const value = codec.decodeBytes(new Uint8Array(Int32Array.from({ length: 132 }, (_, i) => i).buffer))
    expect(Object.values(value)).toEqual([...Array.from({ length: 130 }, (_, i) => i), [130, 131]])
    expect(codec.decodeBytes(codec.encodeBytes(value))).toStrictEqual(value)
  })

  it('are not imported because of a word in a comment', () => {
    expect(text('words')).toContain('A Program that fills its BpfMap')
    expect(text('words')).not.toContain('import type')
  })

  it('are never for what BTF cannot express, with the reason', () => {
    const module = text('notype')
    expect(module).toMatch(
      /BTF does not describe the type of its member 'hits'.*\n {5}\*\/\n {4}counted: BpfMap<number, never>/,
    )
    expect(module).toMatch(/uncertain: never\n/)
    expect(module).toMatch(/certain: number\n/)
    expect(module).toContain('readable: BpfMap<number, Plain>')
  })
})

describe('a record tag on a map without records', () => {
  it('is an error that names the map', async () => {
    writeFileSync(
      path('mistake.bpf.c'),
      `${head}RING(events)
       struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } other SEC(".maps") LIBBPF_NODE_RECORD(struct event);
       SEC("socket") int run(void *ctx) { return 0; }`,
    )
    const { status, stderr } = await libbpfNode([
      'gen',
      path('mistake.bpf.c'),
      '-I',
      join(folder, '../../include'),
    ])
    expect(stderr).toContain("map 'other' of type array has a record type, but only maps of type ringbuf, ")
    expect(status).toBe(1)
  })
})
