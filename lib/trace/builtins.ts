// What a function of a probe is given, and how it is written on the kernel side.

import { nearest } from '../compiler/nearest.js'
import { TraceError } from './error.js'
import { argumentNames, type Probe, systemCallArguments } from './probes.js'

const simple: Readonly<Record<string, string>> = {
  comm: 'bpf.getCurrentComm()',
  pid: 'u32(bpf.getCurrentPidTgid() >>> 32)',
  tid: 'u32(bpf.getCurrentPidTgid())',
  uid: 'u32(bpf.getCurrentUidGid())',
  gid: 'u32(bpf.getCurrentUidGid() >>> 32)',
  cpu: 'bpf.getSmpProcessorId()',
  nsecs: 'bpf.ktimeGetNs()',
  cgroup: 'bpf.getCurrentCgroupId()',
  task: 'bpf.getCurrentTask()',
  rand: 'bpf.getPrandomU32()',
}

/** The names that a function can take out of what it is given. */
export const builtinNames: readonly string[] = [...Object.keys(simple), 'args', 'retval', 'probe']

/** The texts of the kernel side that a function uses at one probe. It collects which parameters the program needs. */
export class Builtins {
  readonly #probe: Probe
  readonly #nameLength: number
  #parameters = 0

  /** @param nameLength - the length of the longest name among the probes of the session */
  constructor(probe: Probe, nameLength: number) {
    this.#probe = probe
    this.#nameLength = nameLength
  }

  /** The parameters that the program has to declare. */
  get parameters(): string {
    if (this.#probe.hook === 'tracepoint') return this.#parameters > 0 ? 'ctx' : ''
    return Array.from({ length: this.#parameters }, (_, i) => parameter(i)).join(', ')
  }

  /** The text for a path such as `['comm']` or `['args', 'filename']`, and how many of its steps it stands for. */
  text(path: readonly string[]): { text: string; steps: number } {
    const [name, member] = path
    if (name === undefined) throw new TraceError(`take what you need: ${builtinNames.join(', ')}`)
    if (name === 'args') {
      if (member === undefined) throw new TraceError('args has the arguments as members: write args.name')
      return { text: this.#argument(member), steps: 2 }
    }
    if (name === 'retval') return { text: this.#result(), steps: 1 }
    if (name === 'probe') {
      // Equally long for all probes, so that all records are alike.
      return { text: JSON.stringify(this.#probe.name.padEnd(this.#nameLength, '\0')), steps: 1 }
    }
    const index = /^arg(\d)$/.exec(name)
    if (index) return { text: this.#byIndex(Number(index[1])), steps: 1 }
    const text = Object.hasOwn(simple, name) ? simple[name] : undefined
    if (text === undefined) {
      const hint = nearest(name, builtinNames)
      throw new TraceError(
        `probes have no '${name}'${hint === undefined ? `; they have ${builtinNames.join(', ')}` : `. ${hint}`}`,
      )
    }
    return { text, steps: 1 }
  }

  #argument(name: string): string {
    const { hook, target, name: probe } = this.#probe
    if (hook === 'kretprobe') {
      throw new TraceError(
        `${probe} has no arguments, because the function has returned; it has retval. Use fexit for both`,
      )
    }
    if (hook === 'tracepoint') {
      this.#parameters = 1
      if (!target.startsWith('syscalls/sys_enter_')) return `ctx.${name}`
      return `ctx.args[${indexOf(name, systemCallArguments(target), probe)}]`
    }
    return this.#byIndex(indexOf(name, argumentNames(this.#probe) ?? [], probe))
  }

  #byIndex(index: number): string {
    const { hook, target } = this.#probe
    if (hook === 'tracepoint') {
      this.#parameters = 1
      if (target.startsWith('syscalls/sys_enter_')) return `ctx.args[${index}]`
      throw new TraceError(`the arguments of ${this.#probe.name} have names: write args.name`)
    }
    this.#parameters = Math.max(this.#parameters, index + 1)
    return parameter(index)
  }

  #result(): string {
    const { hook, target, name } = this.#probe
    if (hook === 'kretprobe') return this.#byIndex(0)
    if (hook === 'fexit') return this.#byIndex(argumentNames(this.#probe)?.length ?? 0)
    if (hook === 'tracepoint' && target.startsWith('syscalls/sys_exit_')) {
      this.#parameters = 1
      return 'ctx.ret'
    }
    throw new TraceError(
      `${name} has no retval: kretprobe, fexit and tracepoint:syscalls:sys_exit_* have one`,
    )
  }
}

const parameter = (index: number): string => `arg${index}`

function indexOf(name: string, names: readonly string[], probe: string): number {
  const index = names.indexOf(name)
  if (index >= 0) return index
  if (names.length === 0) throw new TraceError(`${probe} has no arguments that are known`)
  const hint = nearest(name, [...names])
  throw new TraceError(
    `${probe} has no argument '${name}'; it has ${names.join(', ')}${hint === undefined ? '' : `. ${hint}`}`,
  )
}
