// Programs that are compiled, loaded and attached together, and detached with the session.
import { IterLink } from '../attach/iter.js'
import { compile } from '../compiler/compile.js'
import { Link } from '../links/link.js'
import { BpfObject } from '../objects/object.js'
import { attach } from './attach.js'
import { TraceError } from './error.js'
import type { Code, Constants, KernelText, Tables } from './kernel-text.js'
import { expectTracing } from './permissions.js'
import { type ProgramPart, programsOf, type SharedProgram } from './programs.js'
import type { ProbeRecord } from './words.js'

/** One or more probes: `'kprobe:vfs_*'`, `'kprobe:vfs_read,kprobe:vfs_write'` or an array of names. */
export type ProbeNames = string | readonly string[]

export interface SessionOptions {
  /** Values that the functions use by name. The kernel gets them as they are when the session begins. */
  readonly constants?: Constants
  /** Only hits for which this is true are taken into account. */
  readonly filter?: string | ((record: ProbeRecord) => unknown)
  /**
   * Only this process. Without it, uprobes apply to all processes that use the file, including those that start later.
   */
  readonly pid?: number
}

/** The body of a program, made from the texts that its functions have at one probe. */
export type Body = (text: (code: Code) => KernelText) => string

/** A set of programs in the kernel. Closing it detaches them. */
export class Session implements Disposable, AsyncDisposable {
  /** The names of the probes that it is attached to. */
  readonly probes: readonly string[]
  /** The source of the kernel side, which was generated from the functions. */
  readonly source: string
  protected readonly object: BpfObject
  readonly #opened: Opened

  protected constructor(opened: Opened) {
    this.probes = opened.probes
    this.source = opened.source
    this.object = opened.object
    this.#opened = opened
  }

  /**
   * Detaches the programs, and then runs those of the probe `end`. What was counted can still be read. Detaching takes
   * the kernel several milliseconds for each probe.
   */
  stop(): void {
    this.#opened.stop()
  }

  /**
   * Detaches the programs, and frees the memory of what they have counted. More than 16 probes are detached in the
   * background.
   */
  close(): void {
    void this.#opened.close(this.#opened.links.length > 16)
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#opened.isClosed
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Like `close`, but waits until everything is detached, without blocking the event loop. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closing = this.#opened.close(true)
    this.close()
    await closing
  }
}

/** Programs that run, for the classes that read their results. */
export class Opened {
  readonly probes: readonly string[]
  readonly source: string
  readonly object: BpfObject
  isClosed = false
  readonly links: readonly Link[]
  readonly #programs: readonly SharedProgram[]
  #isStopped = false

  constructor(
    programs: readonly SharedProgram[],
    probes: readonly string[],
    source: string,
    object: BpfObject,
    links: Link[],
  ) {
    this.#programs = programs
    this.probes = probes
    this.source = source
    this.object = object
    this.links = links
  }

  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    for (const link of this.links) link.close()
    this.runOnce('end')
  }

  /** @param inBackground - on libuv's pool, which the result waits for */
  async close(inBackground: boolean): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    if (!inBackground) this.stop()
    const closing = Link.closeAll(this.links)
    // The kernel keeps what the programs use until they are detached.
    this.object.close()
    await closing
  }

  /** Runs the iterators, which go over everything of one kind. */
  async runIterators(): Promise<void> {
    for (const link of this.links) {
      if (!(link instanceof IterLink)) continue
      // They write nothing.
      for await (const _ of link.bytes());
    }
  }

  /** Runs the programs that belong to no event. */
  runOnce(hook: 'begin' | 'end'): void {
    for (const { name, probes } of this.#programs)
      if (probes[0]!.hook === hook) this.object.program(name).testRunSync()
  }
}

export interface Part {
  readonly probes: ProbeNames
  readonly body: Body
}

/**
 * Compiles, loads and attaches a program for each probe.
 *
 * @param declarations - the maps and functions that the programs share; a function is called when the programs are
 * known
 * @param parts - probes, and what their programs do
 */
export async function openSession(
  declarations: string | (() => string),
  parts: readonly Part[],
  { constants = {}, filter, pid }: SessionOptions,
  tables: Tables = {},
): Promise<Opened> {
  if (pid !== undefined && (!Number.isInteger(pid) || pid <= 0))
    throw new TypeError(`pid is not a process id: ${pid}`)
  expectTracing()
  const given: ProgramPart[] = parts.map(({ probes, body }) => ({
    probes,
    lines: (textOf) => [...(filter === undefined ? [] : [filtered(textOf(filter as Code))]), body(textOf)],
  }))
  const { programs, probes, names, text } = programsOf(given, constants, tables, pid)
  const declared = typeof declarations === 'string' ? declarations : declarations()
  const source = `${declared.trim()}\n${text}`
  const { object: bytes } = compile(source, { file: 'probe.bpf.ts' })
  const object = BpfObject.open(bytes)
  const links: Link[] = []
  try {
    await object.load()
    if (names.length > 0) {
      const map = object.map<number, { text: string }>('probe_names')
      for (const [i, text] of names.entries()) map.set(i, { text })
    }
    for (const program of programs) links.push(...(await attach(object.program(program.name), program, pid)))
    const opened = new Opened(programs, probes, source, object, links)
    opened.runOnce('begin')
    await opened.runIterators()
    return opened
  } catch (error) {
    for (const link of links) link.close()
    object.close()
    throw error
  }
}

/** Refuses anything but an object of options: `count(probe, (r) => r.comm)` would count everything together. */
export function expectOptions(options: unknown, example: string): void {
  if (typeof options !== 'object' || options === null)
    throw new TraceError(`the options are an object, such as ${example}`)
}

/** Statements that go on only if a function is true. */
export function filtered(code: KernelText): string {
  const { before, text, isObject } = code.expression()
  if (isObject) throw new TraceError('the filter is a condition, and not an object')
  return `${before}\nif (!(${text})) return 0`
}
