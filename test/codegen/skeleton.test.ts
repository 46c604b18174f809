import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BpfError, BpfObject, type RecordView, type RingBuffer } from 'libbpf-node'
import { beforeAll, describe, expect, it } from 'vitest'
import { biome, gen, root, tsc, useFolder } from './helper.js'

/** The part of the module that the tests use. main.ts below checks the types. */
type Skeleton = BpfObject & { events(options?: object): RingBuffer<Record<string, unknown>> }
interface Module {
  Skeleton: { open(options?: object): Skeleton }
  Event: { decodeBytes(bytes: Uint8Array): unknown; encodeBytes(value: unknown): Uint8Array }
  Outcome: Record<string, number>
}

const source = join(root, 'test/bpf/skeleton.bpf.c')
const folder = useFolder()
const external = join(folder, 'external')
let text = ''
let complaints = ''
let skeleton: Module

/** Code that uses the class and declares the type of each value. */
const main = `
import { BpfObject, type BpfMap, type Link, type Program, type RingBuffer } from 'libbpf-node'
import { Event, Outcome, Skeleton, type Await, type CounterT, type SkeletonShape } from './skeleton.skel.js'

export async function use(): Promise<void> {
  using skeleton = Skeleton.open({ name: 'other' })
  skeleton.rodata.min_ns = 1n
  skeleton.rodata.wanted = Outcome.OUTCOME_OK
  skeleton.bss.object.class.await = 5
  skeleton.data_limits.limits = [1, 2, 3, 4]
  const version: number = skeleton.kconfig.LINUX_KERNEL_VERSION
  await skeleton.load()
  skeleton.attach()
  const counters: BpfMap<Await, CounterT> = skeleton.maps.counters
  const inner: number | undefined = [...counters.values()][0]?.inner.deep
  const sizes: bigint[] | undefined = skeleton.map('size').get(0)
  const program: Program = skeleton.programs.on_exec
  const link: Link | undefined = skeleton.links.on_exec
  const bytes: RingBuffer<Uint8Array> = skeleton.load_()
  for await (const event of skeleton.events({ batchSize: 8 })) {
    const { comm, addr }: Event = event
    const texts: [string, number, Uint8Array] = [comm, addr.v4, addr.v6]
    console.log(texts, version, inner, sizes, program, link, bytes)
  }
  for await (const { class: inside } of skeleton.either()) console.log(inside.constructor.toFixed())
  const encoded: Uint8Array = Event.encodeBytes(Event.decodeBytes(new Uint8Array(48)))
  skeleton.map('.rodata').raw.get(encoded)
  takes(skeleton)
  takes(BpfObject.open<SkeletonShape>('skeleton.bpf.o'))

  // @ts-expect-error
  skeleton.rodata.min_ns = 1
  // @ts-expect-error
  skeleton.rodata.max_ns
  // @ts-expect-error
  skeleton.maps.nothing
  // @ts-expect-error
  skeleton.program('on_exe')
  // @ts-expect-error
  skeleton.kconfig.LINUX_KERNEL_VERSION = 1
}

function takes(object: BpfObject): void {
  object.close()
}
`

beforeAll(async () => {
  mkdirSync(external)
  await gen(source, '-o', join(folder, 'skeleton.skel.ts'))
  await gen(source, '-o', join(external, 'skeleton.skel.ts'), '--external', '--name', 'Outside')
  await gen('test/btf/nasty.c', '-o', join(folder, 'nasty.skel.ts'), ...nastyTypes())
  await gen('test/btf/nasty.c', '--target', 'bpfeb', '-o', join(folder, 'big.skel.ts'), ...nastyTypes())
  copyFileSync(join(external, 'skeleton.skel.ts'), join(folder, 'external.skel.ts'))
  writeFileSync(join(folder, 'hostile.bpf.o'), hostileObject())
  await gen(join(folder, 'hostile.bpf.o'))
  writeFileSync(join(folder, 'main.ts'), main)
  text = readFileSync(join(folder, 'skeleton.skel.ts'), 'utf8')
  complaints = await tsc(folder)
  skeleton = (await import(pathToFileURL(join(folder, 'skeleton.skel.js')).href)) as Module
}, 60_000)

/**
 * Names that no C compiler accepts, but that an object file may contain. Each tries to end a string, a comment or a
 * line, or to continue as code.
 */
const hostile: readonly [name: string, instead: string][] = [
  ['urgent', '*/\n"\'x'],
  ['counter_t', '; throw 1'],
  ['min_ns', '`$\u007bx}`'],
  ['OUTCOME_OK', '__proto__\\'],
  ['outcome', 'a-b c d'],
  ['deep', '"]}\n'],
  ['object', '\u2028//*'],
  ['doc:One execution.', 'doc:*/ throw 1 /* '],
]

/** Returns the object with these names in place of others of the same length. */
function hostileObject(): Uint8Array {
  let text = readFileSync(join(root, 'dist/test/bpf/skeleton.bpf.o')).toString('latin1')
  for (const [name, instead] of hostile) {
    const bytes = Buffer.from(instead).toString('latin1')
    if (bytes.length !== name.length) throw new Error(`'${name}' and '${instead}' are not of one length`)
    text = text.replaceAll(`\0${name}\0`, () => `\0${bytes}\0`)
  }
  return Buffer.from(text, 'latin1')
}

function nastyTypes(): string[] {
  const types = 'scalars wider bits squeezed aligned text nested flexible flexible_text flexible_end'
  return types.split(' ').flatMap((type) => ['--type', type])
}

describe('generated TypeScript', () => {
  it('passes the strictest tsc, together with code that uses it', () => {
    expect(complaints).toBe('')
  })

  it('passes the linter of this repository', async () => {
    expect(await biome(folder, 'skeleton.skel.ts', 'nasty.skel.ts', 'big.skel.ts')).toBe('')
  }, 30_000)

  it('is the same for the same input', async () => {
    await gen(source, '-o', join(folder, 'again', '..', 'skeleton2.ts'), '--name', 'Skeleton')
    const again = readFileSync(join(folder, 'skeleton2.ts'), 'utf8')
    // The object is named after the file.
    const renamed = (code: string) => code.replaceAll('skeleton2', 'skeleton')
    expect(renamed(again)).toBe(text)
  })

  it('contains no eval, and works where eval is forbidden', () => {
    expect(text).not.toMatch(/\beval\b|new Function/)
    const program = `
      import { Event } from ${JSON.stringify(pathToFileURL(join(folder, 'skeleton.skel.js')).href)}
      const value = { pid: 7, outcome: 0, comm: 'x', addr: { port: 1, v4: 2 }, urgent: 1, level: 99 }
      console.log(JSON.stringify(Event.decodeBytes(Event.encodeBytes(value)).level))`
    const output = execFileSync(
      process.execPath,
      ['--disallow-code-generation-from-strings', '--input-type=module', '-e', program],
      { encoding: 'utf8' },
    )
    expect(output.trim()).toBe('99')
  })

  it('documents offsets, C types and comments', () => {
    expect(text).toContain('/** enum outcome at byte 4 */\n  outcome: Outcome')
    expect(text).toContain('   * The process.\n   * int at byte 0\n')
    expect(text).toContain('* One execution.')
    expect(text).toContain('* What was executed.')
    expect(text).toContain('__u32:7 at bit 353')
    expect(text).toContain('Its name; *\\/ ends no comment.')
  })

  it('names a type without a name after its place', () => {
    expect(text).toContain('export interface EventAddr {')
    expect(text).toContain('export interface CounterTInner {')
  })

  it('avoids names of types and methods that are taken', () => {
    expect(text).toContain('export interface ObjectStruct {')
    expect(text).toContain('export interface MapStruct {')
    expect(text).toContain('load_(options')
  })

  it('handles any name that an object may contain', async () => {
    const code = readFileSync(join(folder, 'hostile.skel.ts'), 'utf8')
    expect(code).toContain('"*/\\n\\"\'x": number')
    expect(code).not.toMatch(/^\s*(throw|; throw)/m)
    const { Event } = await import(pathToFileURL(join(folder, 'hostile.skel.js')).href)
    const value = Event.decodeBytes(new Uint8Array(48).fill(1))
    expect(value['*/\n"\'x']).toBe(1)
    expect(Event.encodeBytes(value).length).toBe(48)
  })

  it.runIf(process.arch !== 's390x')('reads types of the other byte order', async () => {
    const little = await import(pathToFileURL(join(folder, 'nasty.skel.js')).href)
    const big = await import(pathToFileURL(join(folder, 'big.skel.js')).href)
    const value = little.Squeezed.decodeBytes(new Uint8Array(33).map((_, i) => i * 37))
    const bytes: Uint8Array = big.Squeezed.encodeBytes(value)
    expect(big.Squeezed.decodeBytes(bytes)).toEqual(value)
    expect(bytes).not.toEqual(little.Squeezed.encodeBytes(value))
  })
})

describe('a generated class', () => {
  it('is a BpfObject that is opened without a file', () => {
    using object = skeleton.Skeleton.open()
    expect(object).toBeInstanceOf(BpfObject)
    expect(object.name).toBe('skeleton')
    expect(object.rodata).toMatchObject({ min_ns: 5n, wanted: skeleton.Outcome.OUTCOME_FAILED })
  })

  it('reads real events with its own codecs', async () => {
    using object = skeleton.Skeleton.open({ name: 'renamed' })
    object.rodata.min_ns = 99n
    await object.load()
    const events = object.events()
    object.attach()
    execFileSync('/bin/true')
    for await (const event of events) {
      if (event.comm !== 'true') continue
      expect(event).toMatchObject({ outcome: 7, addr: { port: 99, v4: 0x7f000001 }, urgent: 1, level: 3 })
      expect(Object.keys(event)).toEqual(['pid', 'outcome', 'comm', 'addr', 'urgent', 'level'])
      break
    }
    events.close()
    expect(object.bss.seen).toBeGreaterThan(0n)
    // The method of the base class still works.
    const again = object.events('events', 'event')
    const ports: unknown[] = []
    again.onView((view) => {
      const { comm, addr } = view as RecordView<{ comm: string; addr: { port: number } }>
      if (comm.equals('true')) ports.push(addr.port)
    })
    execFileSync('/bin/true')
    again.consume()
    expect(ports).toEqual([99])
    again.close()
  })

  it('reads and writes maps whose names have a meaning in JavaScript', () => {
    using object = skeleton.Skeleton.open()
    object.bss.object = { class: { constructor: 0, ['__proto__']: 0, function: 0, await: 0 }, yield: 42n }
    object.loadSync()
    object.program('touch').testRunSync({ data: new Uint8Array(64) })
    const counters = object.map<Record<string, number>, { count: bigint }>('counters')
    const [entry] = [...counters]
    expect(entry?.[0]).toEqual({ constructor: 1, ['__proto__']: 2, function: 3, await: 4 })
    expect(entry?.[1].count).toBe(42n)
    expect(counters.get(entry![0])?.count).toBe(42n)
    expect(() => counters.set({ constructor: 1 }, { count: 1n })).toThrow('key.__proto__: missing')
    const { maps } = object
    expect((maps as unknown as { counters: unknown }).counters).toBe(maps.get('counters'))
    expect(maps.size).toBe([...maps].length)
  })

  it('has the same codecs as those made at run time', () => {
    using object = skeleton.Skeleton.open()
    using plain = BpfObject.open(join(root, 'dist/test/bpf/skeleton.bpf.o'))
    const [made, read] = [object.codec('event'), plain.codec('event')]
    const bytes = new Uint8Array(made.size).map((_, i) => (i * 89) & 0x7f)
    const value = made.decodeBytes(bytes)
    expect(value).toEqual(read.decodeBytes(bytes))
    expect(made.encodeBytes(value)).toEqual(read.encodeBytes(value))
    for (const wrong of [{}, { ...value, pid: 2 ** 40 }, { ...value, pdi: 1 }, { ...value, addr: 7 }]) {
      const message = (codec: typeof made) => {
        try {
          codec.encodeBytes(wrong)
        } catch (error) {
          return (error as Error).message
        }
      }
      expect(message(made)).toBe(message(read))
      expect(message(made)).toBeDefined()
    }
  })

  it('reads its object from a file beside it, and refuses another version of the file', async () => {
    const { Outside } = await import(pathToFileURL(join(folder, 'external.skel.js')).href)
    expect(() => Outside.open()).toThrow(/ENOENT/)
    copyFileSync(join(external, 'skeleton.bpf.o'), join(folder, 'skeleton.bpf.o'))
    using object: Skeleton = Outside.open()
    expect(object.rodata.min_ns).toBe(5n)
    writeFileSync(join(folder, 'skeleton.bpf.o'), readFileSync(join(root, 'dist/test/bpf/skeleton.bpf.o')))
    expect(() => Outside.open()).toThrow(BpfError)
    expect(() => Outside.open()).toThrow('run libbpf-node gen again')
  })
})
