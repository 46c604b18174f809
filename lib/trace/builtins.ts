// What a function of a probe is given, and how it is written on the kernel side.

import { nearest } from '../compiler/nearest.js'
import { TraceError } from './error.js'
import { namesOfFunctions } from './function-names.js'
import {
  argumentNames,
  isSystemCall,
  iteratorMembers,
  type Probe,
  recordedNames,
  resultCast,
  systemCallArguments,
} from './probes.js'

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

/** Words that mean the same on the kernel side as here. They can also be taken from the parameter. */
export const words: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.keys(namesOfFunctions).map((word) => [word, word])),
  str: 'bpf.probeReadUserStr',
  kstr: 'bpf.probeReadKernelStr',
  ...Object.fromEntries(
    [
      ...['u8', 'u16', 'u32', 'u64', 's8', 's16', 's32', 's64', 'range', 'bpf'],
      ...['cast', 'exists', 'enumValue', 'sizeof', 'register'],
    ].map((word) => [word, word]),
  ),
  // As in bpftrace.
  reg: 'register',
}

/** The names that a function can take from its parameter. */
export const builtinNames: readonly string[] = [...Object.keys(simple), 'elapsed', 'args', 'retval', 'probe']

/** The name of the probe in a program that several probes share. */
const sharedName = 'probe_name.text'

export interface SessionFacts {
  /** The length of the longest name among the probes of the session. */
  readonly nameLength: number
  /** Whether the program may be attached to other probes, too. */
  readonly isShared: boolean
  /** When the session began, in nanoseconds of the kernel's clock. */
  readonly began: bigint
}

/** The kernel-side texts of what a function uses at one probe. It collects what the program needs for them. */
export class Builtins {
  readonly #probe: Probe
  readonly #session: SessionFacts
  #parameters = 0
  #count = 0
  /** The members of an iterator's context that the program uses. */
  readonly #members = new Set<string>()
  /** Whether the program asks for the name of the probe in a map. */
  asksForName = false
  /** Whether the program only fits this probe, because it follows pointers of its arguments. */
  isTyped = false

  constructor(probe: Probe, session: SessionFacts) {
    this.#probe = probe
    this.#session = session
  }

  /** The number of texts so far, so that each has a name of its own. */
  count(): number {
    return this.#count++
  }

  /** The parameters that the program has to declare. */
  get parameters(): string {
    if (this.#probe.hook === 'tracepoint') return this.#parameters > 0 ? 'ctx' : ''
    if (this.#probe.hook === 'iter') return 'ctx'
    return Array.from({ length: this.#parameters }, (_, i) => parameter(i)).join(', ')
  }

  /** The statements that the program begins with. */
  get before(): string[] {
    if (this.#probe.hook !== 'iter') return []
    const pointers = iteratorMembers(this.#probe).filter(({ isPointer }) => isPointer)
    // The first is what the iterator goes over. At the end it is null, and the program runs once more.
    return pointers
      .filter(({ name }, i) => i === 0 || this.#members.has(name))
      .flatMap(({ name }) => [`const iter_${name} = ctx.${name}`, `if (!iter_${name}) return 0`])
  }

  /** The names of the arguments, as far as they are known. */
  get argumentNames(): readonly string[] {
    const { hook } = this.#probe
    if (hook === 'tracepoint') return recordedNames(this.#probe)
    if (/^(u(ret)?probe|usdt|profile|interval|perf|watchpoint|begin|end)$/.test(hook)) return []
    if (hook === 'iter') return iteratorMembers(this.#probe).map(({ name }) => name)
    return argumentNames(this.#probe) ?? []
  }

  /** The name of the probe, if the program is for this one only. */
  get ownName(): string | undefined {
    return this.#session.isShared ? undefined : this.#probe.name
  }

  /** The text for a path such as `['comm']` or `['args', 'filename']`, and how many of its steps it stands for. */
  text(path: readonly string[]): { text: string; steps: number } {
    const [name, member] = path
    if (name === undefined) throw new TraceError(`use a member of the parameter: ${builtinNames.join(', ')}`)
    if (name === 'args') {
      if (member === undefined) throw new TraceError('args has the arguments as members: write args.name')
      return { text: this.#argument(member, path.length > 2), steps: 2 }
    }
    if (name === 'retval') return { text: this.#result(path.length > 1), steps: 1 }
    if (name === 'probe') return { text: this.#name(), steps: 1 }
    if (name === 'comm' && member !== undefined)
      throw new TraceError(`comm is text, which has no ${member} in the kernel`)
    if (name === 'elapsed') return { text: `(bpf.ktimeGetNs() - ${this.#session.began}n)`, steps: 1 }
    const index = /^arg(\d)$/.exec(name)
    if (index) return { text: this.#byIndex(Number(index[1]), path.length > 1), steps: 1 }
    const text = Object.hasOwn(simple, name)
      ? simple[name]
      : Object.hasOwn(words, name)
        ? words[name]
        : undefined
    if (text === undefined) {
      const hint = nearest(name, builtinNames)
      throw new TraceError(
        `probes have no '${name}'${hint === undefined ? `; they have ${builtinNames.join(', ')}` : `. ${hint}`}`,
      )
    }
    return { text, steps: 1 }
  }

  #name(): string {
    if (this.#session.isShared) {
      this.asksForName = true
      return sharedName
    }
    // Equally long for all probes, so that all records are alike.
    return JSON.stringify(this.#probe.name.padEnd(this.#session.nameLength, '\0'))
  }

  #argument(name: string, isFollowed: boolean): string {
    const { hook, name: probe } = this.#probe
    if (hook === 'kretprobe' || hook === 'uretprobe') {
      throw new TraceError(
        `${probe} has no arguments, because the function has returned; it has retval${hook === 'kretprobe' ? '. Use fexit for both' : ''}`,
      )
    }
    if (hook === 'tracepoint') {
      this.#parameters = 1
      if (!isSystemCall(this.#probe)) {
        const names = recordedNames(this.#probe)
        // `ent` is what all of them begin with. Where tracefs cannot be read, the compiler says what is missing.
        if (names.length > 0 && name !== 'ent') indexOf(name, names, probe)
        return `ctx.${name}`
      }
      return `ctx.args[${indexOf(name, systemCallArguments(this.#probe), probe)}]`
    }
    if (hook === 'uprobe' || hook === 'usdt') {
      throw new TraceError(`the arguments of ${probe} have no names: write arg0 for the first one`)
    }
    if (hook === 'iter') {
      const members = iteratorMembers(this.#probe)
      const index = indexOf(
        name,
        members.map(({ name }) => name),
        probe,
      )
      this.#members.add(name)
      return members[index]!.isPointer ? `iter_${name}` : `ctx.${name}`
    }
    this.isTyped = true
    return this.#byIndex(indexOf(name, argumentNames(this.#probe) ?? [], probe), isFollowed)
  }

  #byIndex(index: number, isFollowed: boolean): string {
    const { hook, name } = this.#probe
    if (hook === 'tracepoint') {
      this.#parameters = 1
      if (isSystemCall(this.#probe)) return `ctx.args[${index}]`
      throw new TraceError(`the arguments of ${name} have names: write args.name`)
    }
    if (hook === 'iter') throw new TraceError(`the arguments of ${name} have names: write args.name`)
    if (['profile', 'interval', 'perf', 'watchpoint', 'begin', 'end'].includes(hook))
      throw new TraceError(`${name} has no arguments`)
    this.#parameters = Math.max(this.#parameters, index + 1)
    if (isFollowed) this.isTyped = true
    return parameter(index)
  }

  #result(isFollowed: boolean): string {
    const { hook, target, name } = this.#probe
    if (hook === 'kretprobe' || hook === 'fexit') {
      const index = hook === 'kretprobe' ? 0 : (argumentNames(this.#probe)?.length ?? 0)
      const text = this.#byIndex(index, isFollowed)
      const cast = isFollowed ? undefined : resultCast(this.#probe)
      return cast === undefined ? text : `${cast}(${text})`
    }
    if (hook === 'uretprobe') return `s64(${this.#byIndex(0, isFollowed)})`
    if (
      hook === 'tracepoint' &&
      (target.startsWith('syscalls/sys_exit_') || target === 'raw_syscalls/sys_exit')
    ) {
      this.#parameters = 1
      return 'ctx.ret'
    }
    throw new TraceError(
      `${name} has no retval: kretprobe, fexit, uretprobe and tracepoint:syscalls:sys_exit_* have one`,
    )
  }
}

const parameter = (index: number): string => `arg${index}`

function indexOf(name: string, names: readonly string[], probe: string): number {
  const index = names.indexOf(name)
  if (index >= 0) return index
  if (names.length === 0) throw new TraceError(`the arguments of ${probe} are not known`)
  const hint = nearest(name, [...names])
  throw new TraceError(
    `${probe} has no argument '${name}'; it has ${names.join(', ')}${hint === undefined ? '' : `. ${hint}`}`,
  )
}
