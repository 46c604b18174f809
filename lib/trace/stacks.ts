import { existsSync } from 'node:fs'
import type { BpfMap } from '../maps/map.js'
import { folded } from '../profile/folded.js'
import { type Sample, withoutProgram } from '../profile/sample.js'
import { type Frame, unknown } from '../symbols/frame.js'
import { Symbols } from '../symbols/symbols.js'
import { describeKey, type GroupOptions } from './aggregate.js'
import { type EveryOptions, every } from './every.js'
import type { Code } from './kernel-text.js'
import { clearMap, countsLosses, expectMaxKeys, lostIn, orLost } from './losses.js'
import { plain } from './plain.js'
import { expectOptions, type Opened, openSession, type ProbeNames, Session } from './session.js'
import type { ProbeRecord } from './words.js'

export interface StackOptions<K> extends GroupOptions<K> {
  /** A number that is added up for each stack; without it, hits are counted. */
  readonly value?: string | ((record: ProbeRecord) => number)
  /** Whether to record the stack in the kernel; true by default. */
  readonly kernel?: boolean
  /** Whether to record the stack in the process; true by default. */
  readonly user?: boolean
  /** How many different combinations of a stack, a process and a key there is room for; 65,536 by default. */
  readonly maxKeys?: number
  /** How many different stacks there is room for; each takes a kilobyte. 32,768 by default. */
  readonly maxStacks?: number
}

/** A stack, and how often it was seen. */
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
  /**
   * When the process started, because another one may have its id later. It is 0 if there is no stack in the process.
   */
  readonly started: bigint
  /** Changes when the process runs another program. */
  readonly program: bigint
  readonly comm: string
  readonly kernel: number
  readonly user: number
  readonly by?: unknown
}

/** Stacks whose place is taken by another one go into a second, smaller map. Their ids have this bit. */
const spilled = 1 << 30

/** -EEXIST: another stack has the place. -ENOMEM: there is none. */
const isLost = (id: number): boolean => id === -17 || id === -12

/**
 * The programs that processes ran when their memory was looked at. A process that has ended is known as it was then, so
 * the addresses of a program that it ran later have no names.
 */
class Programs {
  readonly #known = new Map<string, bigint>()

  /**
   * @returns whether addresses that were recorded while a process ran a program still have the names that are found now
   */
  of(keys: readonly Key[]): (pid: number, started: bigint, program: bigint) => boolean {
    const newest = new Map<string, bigint>()
    for (const { pid, started, program } of keys) {
      const name = `${pid} ${started}`
      if (program > (newest.get(name) ?? -1n)) newest.set(name, program)
    }
    for (const name of this.#known.keys()) if (!newest.has(name)) this.#known.delete(name)
    for (const [name, program] of newest)
      if (existsSync(`/proc/${name.split(' ')[0]}`)) this.#known.set(name, program)
    return (pid, started, program) => this.#known.get(`${pid} ${started}`) === program
  }
}

/** Stacks, which the kernel counts by their ids. The names are looked up when you ask for them. */
export class Stacks<K> extends Session {
  readonly #symbols = new Symbols()
  readonly #programs = new Programs()
  readonly #isGrouped: boolean

  /** @internal */
  constructor(opened: Opened, isGrouped: boolean) {
    super(opened)
    this.#isGrouped = isGrouped
  }

  /** The stacks as they are now, those with the largest numbers first. Functions of processes that ended have no names. */
  rows(): StackRow<K>[] {
    const maps = ['stack_traces', 'stack_spilled'].map(
      (name) => this.object.map(name) as unknown as BpfMap<number, bigint[]>,
    )
    const addresses = (id: number): bigint[] => {
      if (id < 0) return []
      const stack = maps[id & spilled ? 1 : 0]!.get(id & ~spilled)
      return stack?.filter((address) => address !== 0n) ?? []
    }
    const hits = this.#hits()
    const isNamed = this.#programs.of(hits.map(([key]) => key))
    return hits
      .map(([{ pid, started, program, comm, kernel, user, by }, value]) => ({
        key: (this.#isGrouped ? plain(by) : undefined) as K,
        pid,
        comm,
        frames: [
          ...withoutProgram(this.#symbols.kernel(addresses(kernel), { stack: true })),
          ...(pid > 0 && user >= 0
            ? isNamed(pid, started, program)
              ? this.#symbols.user(pid, addresses(user), { stack: true, startTime: started })
              : addresses(user).map((address) => unknown(address, 'the process has run another program'))
            : []),
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

  /** How many hits have no stack, because there were `maxStacks` already, or another stack was in its place. */
  get lostStacks(): number {
    return this.#hits().reduce(
      (sum, [{ kernel, user }, value]) => sum + (isLost(kernel) || isLost(user) ? value : 0),
      0,
    )
  }

  /** Why functions of the kernel have no names; `undefined` if they do. */
  get kernelProblem(): string | undefined {
    return this.#symbols.kernelProblem
  }

  /** Whether something was left out. */
  get isFull(): boolean {
    return this.lost > 0 || this.lostStacks > 0
  }

  /** Resets the counts. */
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

  /** Yields the current stacks at regular intervals. */
  every(milliseconds: number, options?: EveryOptions): AsyncGenerator<StackRow<K>[], void> {
    return every(this, milliseconds, () => this.rows(), options)
  }

  toJSON(): { key: K; pid: number; comm: string; stack: string[]; value: number }[] {
    return this.rows().map(({ frames, ...rest }) => ({ ...rest, stack: frames.map(nameOf) }))
  }

  /** The stacks, or the `count` most frequent ones: one function per line, the innermost first. */
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

/** Statements that put the number of a stack into a variable. */
const stackOf = (
  name: string,
  method: 'id' | 'userId',
): string => `let ${name}: s32 = s32(stack_traces.${method}())
if (${name} === -17) {
${name} = s32(stack_spilled.${method}())
if (${name} >= 0) ${name} = ${name} | ${spilled}
}`

const nameOf = ({ name, offset, module, address }: Frame): string =>
  name === undefined ? `0x${address.toString(16)} ${module}` : `${name}+${offset}`

/**
 * Counts the stacks in which probes are hit, in the kernel. (Linux 4.17; with the stack in the process, 5.5)
 *
 * A stack goes only as deep as frame pointers lead, at most 127 frames. See {@link Symbols} for the names.
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
  expectOptions(options, '{ by: (r) => r.comm }')
  const { by, value, kernel = true, user = true, maxKeys = 65_536, maxStacks = 32_768, ...rest } = options
  expectMaxKeys(maxKeys)
  expectMaxKeys(maxStacks)
  if (!kernel && !user) throw new TypeError('kernel and user cannot both be false')
  // BPF_F_REUSE_STACKID is not set: a stack that comes later does not take the place of another one.
  const opened = await openSession(
    `export const stack_traces = stackTraces(${maxStacks})
export const stack_spilled = stackTraces(${Math.ceil(maxStacks / 8)})
export const hits = hash<unknown, u64>(${maxKeys})
${countsLosses}`,
    [
      {
        probes,
        body: (text) => {
          const group = by === undefined ? undefined : text(by as Code).expression()
          const number = value === undefined ? undefined : text(value as Code).number()
          const key = [
            'pid: u32(bpf.getCurrentPidTgid() >>> 32)',
            `started: ${user ? 'bpf.getCurrentTask().group_leader.start_boottime' : 'u64(0)'}`,
            `program: ${user ? 'u64(bpf.getCurrentTask().self_exec_id)' : 'u64(0)'}`,
            'comm: bpf.getCurrentComm()',
            `kernel: ${kernel ? 'kernel_stack' : 's32(-1)'}`,
            `user: ${user ? 'user_stack' : 's32(-1)'}`,
            ...(group === undefined ? [] : [`by: ${group.text}`]),
          ]
          return `${group?.before ?? ''}
${number?.before ?? ''}
${kernel ? stackOf('kernel_stack', 'id') : ''}
${user ? stackOf('user_stack', 'userId') : ''}
${orLost(`hits.add({ ${key.join(', ')} }, ${number === undefined ? '1' : `u64(s64(${number.text}))`})`)}
return 0`
        },
      },
    ],
    rest,
  )
  return new Stacks<K>(opened, by !== undefined)
}
