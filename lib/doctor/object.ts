// Whether an object loads on this machine, which privileges it requires, and which parts will not work.

import { types } from 'node:util'
import { disassemble } from '../asm/instruction.js'
import { VerifierError } from '../errors/errors.js'
import { features } from '../features/features.js'
import { helperNumbers } from '../features/helpers.js'
import { type Capability, capabilitiesFor, missingCapabilities } from '../machine/capabilities.js'
import { lockdownOfHelper } from '../machine/lockdown.js'
import { native } from '../native/binding.js'
import { BpfObject } from '../objects/object.js'
import type { Program } from '../programs/program.js'
import { type Finding, note, ok, problem } from './finding.js'
import { missingTarget } from './targets.js'

/** The result of {@link examineObject}. */
export interface ObjectReport {
  readonly findings: readonly Finding[]
  /** What loading and attaching the object requires. */
  readonly capabilities: readonly Capability[]
  /** The programs that a loader would load. */
  readonly programs: readonly string[]
}

/**
 * Opens an object, compares what it asks for with what this kernel has, and loads it if this process may. Nothing stays
 * loaded, and nothing is attached.
 */
export async function examineObject(path: string): Promise<ObjectReport> {
  let object: BpfObject
  try {
    object = BpfObject.open(path)
  } catch (error) {
    return { findings: [problem('object', messageOf(error))], capabilities: [], programs: [] }
  }
  using opened = object
  const all = [...opened.programs.values()]
  // An object that leaves the choice to its loader marks all programs with SEC("?...").
  const chosen = all.filter(({ autoload }) => autoload)
  const programs = chosen.length > 0 ? chosen : all
  const capabilities = neededBy(
    programs,
    [...opened.maps.values()].map(({ type }) => type),
  )
  const lacking = missingOf(capabilities)
  const names = programs.map(({ name }) => name)
  const load = await tryToLoad(path, names, lacking)
  const findings = [
    ok('object', `${path}: ${count(opened.programs.size, 'program')}, ${count(opened.maps.size, 'map')}`),
    lacking.length === 0
      ? ok('capabilities', `it needs ${capabilities.join(', ')}; this process has them`)
      : problem(
          'capabilities',
          `it needs ${capabilities.join(', ')}; this process lacks ${lacking.join(', ')}`,
          'run it as root, or give it these capabilities',
        ),
    ...[...opened.maps.values()].flatMap((map) => refusedMap(map.name, map.type)),
    ...programs.flatMap((program) => [
      ...examineTarget(program),
      // A program that loads uses what the kernel has: the verifier removed the rest, which a constant or a CO-RE check
      // rules out.
      ...(load.loaded.has(program.name) ? [] : examineNeeds(program)),
    ]),
    ...load.findings,
  ]
  return { findings, capabilities, programs: names }
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`

/** Helpers that the kernel reserves for administrators. */
const forAdministrators = new Set(['probe_write_user'])

function neededBy(programs: readonly Program[], maps: readonly string[]): Capability[] {
  const needed = capabilitiesFor(
    programs.map(({ type }) => type),
    maps,
  )
  const isAdministrative = programs.some((program) =>
    helpersOf(program).some((name) => forAdministrators.has(name)),
  )
  return isAdministrative ? [...needed, 'CAP_SYS_ADMIN'] : needed
}

function missingOf(needed: readonly Capability[]): Capability[] {
  try {
    return missingCapabilities(needed)
  } catch {
    return []
  }
}

function refusedMap(name: string, type: Parameters<typeof features.mapType>[0]): Finding[] {
  if (type === 'unspec') return []
  const { answer, reason, since } = features.mapType(type)
  return answer === 'no' ? [problem(`map ${name}`, `maps of type ${type}: ${reason}`, newer(since))] : []
}

function examineTarget({ name, section }: Program): Finding[] {
  const missing = missingTarget(section)
  return missing === undefined ? [] : [problem(`program ${name}`, missing.says, missing.fix)]
}

/** The program type and the helpers that this kernel lacks. */
function examineNeeds(program: Program): Finding[] {
  const check = `program ${program.name}`
  const { type } = program
  if (type === 'unspec') return []
  const kind = features.programType(type)
  if (kind.answer === 'no')
    return [problem(check, `programs of type ${type}: ${kind.reason}`, newer(kind.since))]
  return helpersOf(program).flatMap((name) => {
    if (!helperNumbers().has(name)) {
      return problem(
        check,
        `it calls bpf_${name}, which this kernel does not have`,
        'use a newer kernel, or check with bpf_core_enum_value_exists before the call',
      )
    }
    if (features.helper(type, name).answer !== 'no') return []
    const mode = lockdownOfHelper(name)
    if (mode === undefined)
      return problem(check, `it calls bpf_${name}, which programs of type ${type} cannot call`)
    return problem(
      check,
      `it calls bpf_${name}, which the kernel refuses because it is locked down: ${mode}`,
      name === 'probe_write_user'
        ? 'boot without lockdown'
        : 'use fentry or tp_btf, which read pointers without it, or boot with lockdown=integrity',
    )
  })
}

/** The names of the helpers in the program's instructions. */
function helpersOf(program: Program): string[] {
  const names = native.helperNames()
  const called = new Set<string>()
  for (const { code, src, imm } of disassemble(program.instructions)) {
    const number = Number(imm)
    if (code === 0x85 && src === 0 && number > 0) called.add(names[number] ?? `func#${number}`)
  }
  return [...called]
}

async function tryToLoad(
  path: string,
  names: readonly string[],
  lacking: readonly Capability[],
): Promise<{ findings: Finding[]; loaded: ReadonlySet<string> }> {
  if (lacking.length > 0) {
    const says = `cannot be tried without ${lacking.join(', ')}`
    return { findings: [note('load', says)], loaded: new Set() }
  }
  const error = await loadError(path, names)
  if (error === undefined) {
    const says = names.length === 1 ? 'its program loads' : `all ${names.length} programs load`
    return { findings: [ok('load', says)], loaded: new Set(names) }
  }
  // Each program alone: the first one that is refused hides the rest.
  const findings: Finding[] = []
  const loaded = new Set<string>()
  for (const name of names) {
    const own = names.length === 1 ? error : await loadError(path, [name])
    if (own === undefined) loaded.add(name)
    findings.push(
      own === undefined ? ok(`load ${name}`, 'loads') : problem(`load ${name}`, reasonOf(own), fixOf(own)),
    )
  }
  return { findings: findings.length > 0 ? findings : [problem('load', reasonOf(error))], loaded }
}

/** Why these programs of the object do not load. */
async function loadError(path: string, names: readonly string[]): Promise<Error | undefined> {
  using object = BpfObject.open(path)
  for (const program of object.programs.values()) program.autoload = names.includes(program.name)
  try {
    await object.load()
    return undefined
  } catch (error) {
    return error as Error
  }
}

/** The message without "load object 'exec': ", which every line would repeat. */
function reasonOf(error: Error): string {
  return messageOf(error).replace(/^load object '[^']*': /, '')
}

function fixOf(error: Error): string | undefined {
  if (error instanceof VerifierError)
    return 'the whole log is in the verifierLog of the error that load() throws'
  return undefined
}

function messageOf(error: unknown): string {
  if (types.isNativeError(error)) return error.message
  return String(error)
}

function newer(since: string | undefined): string | undefined {
  return since === undefined ? undefined : `use Linux ${since} or newer, built with support for it`
}
