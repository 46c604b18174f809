import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RingBuffer } from '../events/ring-buffer.js'
import type { Link } from '../links/link.js'
import type { BpfMap } from '../maps/map.js'
import { packageRoot } from '../native/package-root.js'
import { BpfObject } from '../objects/object.js'
import { type Frame, unknown } from '../symbols/frame.js'
import { Symbols } from '../symbols/symbols.js'
import { label, type Sample, withoutProgram } from './sample.js'

export interface ProfilerOptions {
  readonly pid: number | undefined
  readonly kind: 'cpu' | 'off-cpu'
  readonly hz: number
  readonly kernel: boolean
  readonly user: boolean
  readonly lines: boolean
}

/** `struct stack_key` of profile.bpf.c. */
interface StackKey {
  readonly started: bigint
  readonly pid: number
  readonly exec_id: number
  readonly kernel: number
  readonly user: number
  readonly comm: string
}

/** The same numbers as in profile.bpf.c. */
const spilled = 1 << 30
const lostStack = -2
/** A program that has read which maps are active writes into them soon after. */
const settleMs = 5

/** Takes samples until it is closed. */
export class Profiler implements Disposable {
  readonly #object: BpfObject
  readonly #links: Link[]
  readonly #symbols = new Symbols()
  readonly #kind: ProfilerOptions['kind']
  readonly #lines: boolean
  readonly #sums = new Map<string, { sample: Sample; value: number }>()
  /** Programs that were seen for the first time. */
  readonly #news: RingBuffer<{ pid: number }>
  #active = 0

  private constructor(object: BpfObject, links: Link[], { kind, lines }: ProfilerOptions) {
    this.#object = object
    this.#links = links
    this.#kind = kind
    this.#lines = lines
    this.#news = object.ringBuffer<{ pid: number }>('news', 'program')
  }

  static async start(options: ProfilerOptions): Promise<Profiler> {
    const object = BpfObject.open(join(packageRoot(), 'dist/lib/profile/profile.bpf.o'))
    try {
      const isCpu = options.kind === 'cpu'
      object.program('on_tick').autoload = isCpu
      object.program('on_switch').autoload = !isCpu
      object.map('waiting').autocreate = !isCpu
      object.rodata.only_pid = options.pid ?? 0
      object.rodata.with_kernel = options.kernel
      object.rodata.with_user = options.user
      await object.load()
      const profiler = new Profiler(object, [], options)
      // What the process has mapped before the first sample.
      if (options.pid !== undefined) await profiler.#symbols.prepare(options.pid)
      profiler.#news.on(({ pid }) => void profiler.#symbols.prepare(pid))
      profiler.#links.push(
        ...(isCpu
          ? object.program('on_tick').attachPerfEventOnCpus({ event: 'cpu-clock', frequency: options.hz })
          : [object.program('on_switch').attach()]),
      )
      return profiler
    } catch (error) {
      object.close()
      throw error
    }
  }

  /** Samples and stacks that found no room in the maps. */
  get lost(): { samples: number; stacks: number } {
    const { lost_samples, lost_stacks } = this.#object.bss as { lost_samples: bigint; lost_stacks: bigint }
    return { samples: Number(lost_samples), stacks: Number(lost_stacks) }
  }

  /** Why frames of the kernel have no names. */
  get kernelProblem(): string | undefined {
    return this.#symbols.kernelProblem
  }

  /** Takes what was counted, and looks up the names while the processes still exist in that state. */
  async collect(): Promise<void> {
    if (this.#kind === 'off-cpu') return
    const full = this.#active
    this.#active = 1 - full
    this.#object.bss.active = this.#active
    await sleep(settleMs)
    this.#add([...this.#map<StackKey, bigint>(`counts_${full}`).drain()], full, true)
  }

  /** Stops, and returns everything that was counted. */
  async stop(): Promise<Sample[]> {
    for (const link of this.#links.splice(0)) link.close()
    await sleep(settleMs)
    const last = this.#active
    const counts = [...this.#map<StackKey, bigint>(`counts_${last}`).drain()]
    if (this.#kind === 'off-cpu') {
      // These threads are still waiting.
      const now = process.hrtime.bigint()
      for (const [, { since, key }] of this.#map<number, { since: bigint; key: StackKey }>('waiting'))
        if (now > since) counts.push([key, now - since])
    }
    this.#add(counts, last, false)
    return this.take()
  }

  /** What was collected since the last time. */
  take(): Sample[] {
    const samples = [...this.#sums.values()].map(({ sample, value }) => ({ ...sample, value }))
    this.#sums.clear()
    return samples
  }

  #map<K, V>(name: string): BpfMap<K, V> {
    return this.#object.map<K, V>(name)
  }

  #add(counts: readonly [StackKey, bigint][], set: number, isEmptied: boolean): void {
    const stacks = new Stacks(this.#object, set)
    const newest = new Map<number, number>()
    const groups = new Map<number, [StackKey, bigint][]>()
    for (const entry of counts) {
      const [{ pid, exec_id }] = entry
      newest.set(pid, Math.max(newest.get(pid) ?? 0, exec_id))
      const group = groups.get(pid) ?? []
      groups.set(pid, group)
      group.push(entry)
    }
    for (const [pid, group] of groups) {
      // One call for the whole process, because each call compares what the process has mapped.
      const current = group.filter(([{ exec_id }]) => exec_id === newest.get(pid))
      const places = [...new Set(current.flatMap(([key]) => placesIn(stacks.of(key.user))))]
      const startTime = current[0]![0].started
      const frames = new Map<bigint, Frame[]>()
      for (const frame of this.#symbols.user(pid, places, { startTime, lines: this.#lines }))
        frames.set(frame.address, withInlined(frame))
      for (const [key, value] of group) {
        const user =
          key.user === lostStack
            ? [unknown(0n, 'another stack took its place in the map', '[lost]')]
            : placesIn(stacks.of(key.user)).flatMap(
                (place) =>
                  frames.get(place) ?? unknown(place, 'the process has since started another program'),
              )
        const kernel = this.#kernelFrames(stacks.of(key.kernel))
        this.#count(key, [...kernel, ...user], Number(value))
      }
    }
    if (isEmptied) stacks.delete()
  }

  #kernelFrames(stack: readonly bigint[]): readonly Frame[] {
    const frames = this.#symbols.kernel(stack, { stack: true })
    return this.#kind === 'cpu' ? frames : withoutProgram(frames)
  }

  #count({ pid, comm }: StackKey, frames: readonly Frame[], value: number): void {
    const key = `${pid}\n${comm}\n${frames.map(keyOf).join('\n')}`
    const known = this.#sums.get(key)
    if (known === undefined) this.#sums.set(key, { sample: { pid, comm, frames, value }, value })
    else known.value += value
  }

  close(): void {
    for (const link of this.#links.splice(0)) link.close()
    this.#news.close()
    this.#object.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** The functions that were inlined at an address, as frames of their own, and the function that contains them. */
function withInlined({ inlined = [], ...frame }: Frame): Frame[] {
  return [...inlined, frame]
}

/** Samples with the same frames are added up. */
function keyOf(frame: Frame): string {
  const { file = '', line = '' } = frame.kind === 'file' ? (frame.source ?? {}) : {}
  return `${frame.module} ${label(frame)} ${file} ${line} ${frame.isInlined ?? ''}`
}

/** The place of each call in a stack: return addresses can belong to the function after the caller. */
const placesIn = (stack: readonly bigint[]): bigint[] =>
  stack.map((address, i) => (i === 0 ? address : address - 1n))

/** The stacks of one set of maps, each read once. */
class Stacks {
  readonly #maps: readonly BpfMap<number, bigint[]>[]
  readonly #known = new Map<number, readonly bigint[]>()

  constructor(object: BpfObject, set: number) {
    this.#maps = [object.map(`stacks_${set}`), object.map(`spilled_${set}`)]
  }

  /** @param id - negative without a stack */
  of(id: number): readonly bigint[] {
    if (id < 0) return []
    let stack = this.#known.get(id)
    if (stack === undefined) {
      stack = this.#maps[id & spilled ? 1 : 0]!.get(id & ~spilled) ?? []
      this.#known.set(id, stack)
    }
    return stack
  }

  delete(): void {
    for (const id of this.#known.keys()) this.#maps[id & spilled ? 1 : 0]!.delete(id & ~spilled)
  }
}
