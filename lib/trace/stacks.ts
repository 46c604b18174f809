import type { BpfMap } from '../maps/map.js'
import { folded } from '../profile/folded.js'
import type { Sample } from '../profile/sample.js'
import type { Frame } from '../symbols/frame.js'
import { Symbols } from '../symbols/symbols.js'
import { describeKey, type GroupOptions } from './aggregate.js'
import { type EveryOptions, every } from './every.js'
import type { Code } from './kernel-text.js'
import { clearMap, countsLosses, expectMaxKeys, lostIn, orLost } from './losses.js'
import { plain } from './plain.js'
import { type Opened, openSession, type ProbeNames, Session } from './session.js'
import type { ProbeRecord } from './words.js'

export interface StackOptions<K> extends GroupOptions<K> {
  /** A number that is added up for each stack; without it, hits are counted. */
  readonly value?: string | ((record: ProbeRecord) => number)
  /** With the stack in the kernel; true by default. */
  readonly kernel?: boolean
  /** With the stack in the process; true by default. */
  readonly user?: boolean
  /** How many different stacks there is room for; 16,384 by default. */
  readonly maxStacks?: number
}

/** A stack, and how often it was there. */
export interface StackRow<K> {
  readonly key: K
  readonly pid: number
  /** The name of the thread. */
  readonly comm: string
  /** The innermost first: of the kernel, and then of the process. */
  readonly frames: readonly Frame[]
  readonly value: number
}

interface Key {
  readonly pid: number
  readonly comm: string
  readonly kernel: number
  readonly user: number
  readonly by?: unknown
}

/** -EEXIST: another stack has the place. -ENOMEM: there is none. */
const isLost = (id: number): boolean => id === -17 || id === -12

/** Stacks, which the kernel counts by their numbers. They get names when you ask for them. */
export class Stacks<K> extends Session {
  readonly #symbols = new Symbols()
  readonly #isGrouped: boolean

  /** @internal */
  constructor(opened: Opened, isGrouped: boolean) {
    super(opened)
    this.#isGrouped = isGrouped
  }

  /** The stacks as they are now, those with the largest numbers first. Functions of processes that ended have no names. */
  rows(): StackRow<K>[] {
    const traces = this.object.map('stack_traces') as unknown as BpfMap<number, bigint[]>
    const addresses = (id: number): bigint[] =>
      id < 0 ? [] : (traces.get(id)?.filter((address) => address !== 0n) ?? [])
    return this.#hits()
      .map(([{ pid, comm, kernel, user, by }, value]) => ({
        key: (this.#isGrouped ? plain(by) : undefined) as K,
        pid,
        comm,
        frames: [
          ...this.#symbols.kernel(addresses(kernel), { stack: true }),
          ...(pid > 0 && user >= 0 ? this.#symbols.user(pid, addresses(user), { stack: true }) : []),
        ],
        value,
      }))
      .sort((a, b) => b.value - a.value)
  }

  #hits(): [Key, number][] {
    const map = this.object.map('hits') as unknown as BpfMap<Key, bigint>
    return [...map.entries()].map(([key, value]) => [key, Number(BigInt.asIntN(64, value))])
  }

  /** How many hits were left out because there were `maxKeys` already. */
  get lost(): number {
    return lostIn(this.object)
  }

  /** How many hits have no stack, because there were `maxStacks` already, or another one was in its place. */
  get lostStacks(): number {
    return this.#hits().reduce(
      (sum, [{ kernel, user }, value]) => sum + (isLost(kernel) || isLost(user) ? value : 0),
      0,
    )
  }

  /** Whether something was left out. */
  get isFull(): boolean {
    return this.lost > 0 || this.lostStacks > 0
  }

  /** Forgets what was counted. */
  clear(): void {
    clearMap(this.object, 'hits')
  }

  /** Text with a line for each stack, `comm;outermost;...;innermost value`, with `by` in front, as flamegraph.pl and others read it. */
  folded(): string {
    const groups = new Map<string, Sample[]>()
    for (const row of this.rows()) {
      const group = this.#isGrouped ? `${describeKey(row.key).replaceAll(/[;\n]/g, ':')};` : ''
      groups.set(group, [...(groups.get(group) ?? []), row])
    }
    return [...groups].map(([group, samples]) => folded(samples).replaceAll(/^(?=.)/gm, group)).join('')
  }

  /** The stacks as they are then, that often. */
  every(milliseconds: number, options?: EveryOptions): AsyncGenerator<StackRow<K>[], void> {
    return every(this, milliseconds, () => this.rows(), options)
  }

  toJSON(): { key: K; pid: number; comm: string; stack: string[]; value: number }[] {
    return this.rows().map(({ frames, ...rest }) => ({ ...rest, stack: frames.map(nameOf) }))
  }

  /** The stacks, or the `count` most frequent ones: a function in a line, the innermost first. */
  override toString(count = Number.POSITIVE_INFINITY): string {
    return this.rows()
      .slice(0, count)
      .map(({ key, pid, comm, frames, value }) => {
        const group = this.#isGrouped ? `, ${describeKey(key)}` : ''
        return [...frames.map((frame) => `  ${nameOf(frame)}`), `${value} in ${comm} (${pid})${group}`].join(
          '\n',
        )
      })
      .join('\n\n')
  }
}

const nameOf = ({ name, offset, module, address }: Frame): string =>
  name === undefined ? `0x${address.toString(16)} ${module}` : `${name}+${offset}`

/**
 * Counts the stacks in which probes are hit, in the kernel. (Linux 4.17)
 *
 * A stack is as deep as frame pointers lead, at most 127 frames. See {@link Symbols} for the names.
 *
 * @example
 * await using stacks = await stacks('profile:hz:99', { pid })
 * await setTimeout(1000)
 * console.log(stacks.folded())
 */
export async function stacks<K = undefined>(
  probes: ProbeNames,
  options: StackOptions<K> = {},
): Promise<Stacks<K>> {
  const { by, value, kernel = true, user = true, maxKeys = 10_240, maxStacks = 16_384, ...rest } = options
  expectMaxKeys(maxKeys)
  expectMaxKeys(maxStacks)
  if (!kernel && !user) throw new TypeError('kernel and user are false, so no stack is left')
  // BPF_F_REUSE_STACKID is not set: a stack that comes later does not take the place of another one.
  const opened = await openSession(
    `export const stack_traces = stackTraces(${maxStacks})
export const hits = hash<unknown, u64>(${maxKeys})
${countsLosses}`,
    [
      {
        probes,
        body: (text) => {
          const group = by === undefined ? undefined : text(by as Code).expression()
          const number = value === undefined ? undefined : text(value as Code).expression()
          const key = [
            'pid: u32(bpf.getCurrentPidTgid() >>> 32)',
            'comm: bpf.getCurrentComm()',
            `kernel: ${kernel ? 'stack_traces.id()' : 's32(-1)'}`,
            `user: ${user ? 'stack_traces.userId()' : 's32(-1)'}`,
            ...(group === undefined ? [] : [`by: ${group.text}`]),
          ]
          return `${group?.before ?? ''}
${number?.before ?? ''}
${orLost(`hits.add({ ${key.join(', ')} }, ${number === undefined ? '1' : `u64(s64(${number.text}))`})`)}
return 0`
        },
      },
    ],
    rest,
  )
  return new Stacks<K>(opened, by !== undefined)
}
