// What programs may call: helpers, by number, and kernel functions (kfuncs), by their BTF id.
import { constants } from 'node:os'
import { didYouMean } from '../errors/nearest.js'
import { capabilitiesFor } from '../machine/capabilities.js'
import { kernelEnum, kernelTypes } from '../machine/kernel-types.js'
import { lockdownOfHelper } from '../machine/lockdown.js'
import { native } from '../native/binding.js'
import { type ProgramType, programTypeNumber } from '../native/type-names.js'
import { type Answer, judge, no, unknown, yes } from './answer.js'
import { ask, type Probe } from './ask.js'
import { exit, instructions, result } from './instructions.js'
import { programType } from './types.js'

let names: ReadonlyMap<string, number> | undefined

/** The numbers of helpers by name, without `bpf_`: from the kernel's BTF if possible, otherwise from libbpf. */
export function helperNumbers(): ReadonlyMap<string, number> {
  if (names !== undefined) return names
  const kernels = kernelEnum('bpf_func_id', 'BPF_FUNC_')
  const list =
    kernels === undefined
      ? native.helperNames().entries()
      : [...kernels].map(([name, id]) => [id, name] as const)
  names = new Map([...list].filter(([id]) => id > 0).map(([id, name]) => [name, id]))
  return names
}

export function helperNumber(name: string): number {
  const id = helperNumbers().get(name.replace(/^bpf_/, ''))
  if (id !== undefined) return id
  throw new TypeError(
    `helper '${name}' does not exist${didYouMean(name.replace(/^bpf_/, ''), helperNumbers().keys())}`,
  )
}

/** Whether libbpf knows a helper that the kernel does not. */
function isNewer(name: string): boolean {
  return native.helperNames().includes(name.replace(/^bpf_/, ''))
}

export function* helper(type: ProgramType, name: string): Probe<Answer> {
  if (!helperNumbers().has(name.replace(/^bpf_/, '')) && isNewer(name)) {
    return no('it is newer than this kernel, whose BTF does not have it')
  }
  const id = helperNumber(name)
  const refused = yield* withoutType(type)
  if (refused !== undefined) return refused
  const [answer] = yield* ask(
    native.probeHelpers,
    native.probeHelpersAsync,
    programTypeNumber(type),
    id,
    id + 1,
  )
  return judgeHelper(type, name.replace(/^bpf_/, ''), answer!)
}

/** Whether programs of a type may call each helper. */
export function* helpers(type: ProgramType): Probe<Map<string, Answer>> {
  const all = [...helperNumbers()]
  const refused = yield* withoutType(type)
  if (refused !== undefined) return new Map(all.map(([name]) => [name, refused]))
  const end = Math.max(...all.map(([, id]) => id)) + 1
  const answers = yield* ask(native.probeHelpers, native.probeHelpersAsync, programTypeNumber(type), 1, end)
  return new Map(all.map(([name, id]) => [name, judgeHelper(type, name, answers[id - 1]!)]))
}

/**
 * The answer if programs of a type do not load at all. libbpf reads every refusal that does not mention the helper as a
 * yes.
 */
function* withoutType(type: ProgramType): Probe<Answer | undefined> {
  const { answer, reason = '' } = yield* programType(type)
  if (answer === 'no') return no(`this kernel has no programs of type ${type}: ${reason}`)
  if (answer === 'unknown') return unknown(`programs of type ${type} cannot be loaded here: ${reason}`)
  return undefined
}

function judgeHelper(type: ProgramType, name: string, answer: number): Answer {
  if (answer === 1) return yes(undefined)
  if (answer === 0) {
    const mode = lockdownOfHelper(name)
    return no(
      mode === undefined ? `programs of type ${type} cannot call it` : `the kernel is locked down: ${mode}`,
    )
  }
  // libbpf does not ask: every iterator, LSM hook and struct_ops type has its own set of helpers.
  if (answer === -constants.errno.EOPNOTSUPP)
    return unknown(`for programs of type ${type} it depends on what they are attached to`)
  return judge(answer, capabilitiesFor([type]), undefined)
}

/**
 * Calls the function with arguments that make no sense: the verifier first says whether the function may be called at
 * all.
 */
export function* kfunc(name: string, type: ProgramType): Probe<Answer> {
  const since = '5.13'
  const types = kernelTypes()
  if (types === undefined) return unknown("only the kernel's BTF could tell, and it cannot be read", since)
  const func = types.find(name, 'func')
  if (func === undefined) return no('the kernel has no such function, except perhaps in a module', since)
  const refused = yield* withoutType(type)
  if (refused !== undefined) return refused
  const code = instructions([0x85, 0, 2, 0, func.id], result(0), exit)
  const flags = type === 'syscall' ? 1 << 4 : 0
  const { load, log } = yield* ask(
    native.probeLoad,
    native.probeLoadAsync,
    programTypeNumber(type),
    0,
    0,
    flags,
    code,
    0,
  )
  if (load === 0) return yes(since)
  if (/calling kernel function \S+ is not allowed/.test(log)) {
    return no(`it is not a kfunc, or programs of type ${type} cannot call it`, since)
  }
  // The verifier went on to check the arguments.
  if (log.includes(name) || /arg#?\d|R\d !read_ok|args#\d|sleepable|acquire/.test(log)) return yes(since)
  if (log !== '') return no(log.trim().split('\n')[0]!, since)
  return judge(load, capabilitiesFor([type]), since)
}

/** The names of the kernel's kfuncs, which BTF marks since Linux 6.10; `undefined` if it does not. */
export function kfuncNames(): string[] | undefined {
  const types = kernelTypes()
  if (types === undefined) return undefined
  const found = new Set<string>()
  for (const tag of types.ofKind('decl_tag')) {
    if (tag.name === 'bpf_kfunc') found.add(types.type(tag.typeId).name)
  }
  return found.size === 0 ? undefined : [...found].sort()
}
