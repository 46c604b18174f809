// Whether an object will load here, which privileges it needs, and what of it will not work.
import { types } from 'node:util'
import { VerifierError } from '../errors/errors.js'
import { features } from '../features/features.js'
import { helperNumbers } from '../features/helpers.js'
import { type Capability, capabilitiesFor, missingCapabilities } from '../machine/capabilities.js'
import { lockdownOfHelper } from '../machine/lockdown.js'
import { native } from '../native/binding.js'
import { BpfObject } from '../objects/object.js'
import { disassembleFields } from '../programs/disassemble.js'
import type { Program } from '../programs/program.js'
import { type Finding, note, ok, problem } from './finding.js'
import { missingTarget } from './targets.js'

/** What was found out about an object. */
export interface ObjectReport {
  readonly findings: readonly Finding[]
  /** What loading and attaching it takes. */
  readonly capabilities: readonly Capability[]
}

/** Opens it, compares what it asks for with what this kernel has, and loads it where that is allowed; nothing stays, nothing is attached. */
export async function examineObject(path: string): Promise<ObjectReport> {
  let object: BpfObject
  try {
    object = BpfObject.open(path)
  } catch (error) {
    return { findings: [problem('object', messageOf(error))], capabilities: [] }
  }
  using opened = object
  const all = [...opened.programs.values()]
  // Where each is left to choose at run time (SEC("?...")), each is of interest.
  const chosen = all.filter(({ autoload }) => autoload)
  const programs = chosen.length > 0 ? chosen : all
  const capabilities = neededBy(programs)
  const lacking = missingOf(capabilities)
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
    ...programs.flatMap(examineProgram),
  ]
  findings.push(
    ...(await tryToLoad(
      path,
      programs.map(({ name }) => name),
      lacking,
    )),
  )
  return { findings, capabilities }
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`

/** `bpf_probe_write_user` and what else the kernel gives to administrators only. */
const forAdministrators = new Set(['probe_write_user'])

function neededBy(programs: readonly Program[]): Capability[] {
  const needed = capabilitiesFor(programs.map(({ type }) => type))
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

function examineProgram(program: Program): Finding[] {
  const check = `program ${program.name}`
  const { type } = program
  if (type === 'unspec') return []
  const kind = features.programType(type)
  if (kind.answer === 'no')
    return [problem(check, `programs of type ${type}: ${kind.reason}`, newer(kind.since))]
  const findings: Finding[] = []
  const missing = missingTarget(program.section)
  if (missing !== undefined) findings.push(problem(check, missing.says, missing.fix))
  for (const name of helpersOf(program)) {
    if (!helperNumbers().has(name)) {
      findings.push(
        problem(
          check,
          `it calls bpf_${name}, which this kernel does not know`,
          'a newer kernel, or bpf_core_enum_value_exists around the call',
        ),
      )
    } else if (features.helper(type, name).answer === 'no') {
      const mode = lockdownOfHelper(name)
      findings.push(
        mode === undefined
          ? problem(check, `it calls bpf_${name}, which programs of type ${type} may not`)
          : problem(
              check,
              `it calls bpf_${name}, which the kernel refuses because it is locked down: ${mode}`,
              name === 'probe_write_user'
                ? 'boot without lockdown'
                : 'fentry or tp_btf, whose pointers are read without it; or lockdown=integrity',
            ),
      )
    }
  }
  return findings
}

/** The names of what it calls by number. */
function helpersOf(program: Program): string[] {
  const names = native.helperNames()
  const called = new Set<string>()
  for (const { code, src, immediate } of disassembleFields(program.instructions)) {
    if (code === 0x85 && src === 0 && immediate > 0) called.add(names[immediate] ?? `func#${immediate}`)
  }
  return [...called]
}

async function tryToLoad(
  path: string,
  names: readonly string[],
  lacking: readonly Capability[],
): Promise<Finding[]> {
  if (lacking.length > 0) return [note('load', `cannot be tried without ${lacking.join(', ')}`)]
  const error = await loadError(path, names)
  if (error === undefined)
    return [ok('load', names.length === 1 ? 'its program loads' : `all ${names.length} programs load`)]
  // Each alone: one that is refused hides the rest.
  const findings: Finding[] = []
  for (const name of names) {
    const own = names.length === 1 ? error : await loadError(path, [name])
    findings.push(
      own === undefined ? ok(`load ${name}`, 'loads') : problem(`load ${name}`, reasonOf(own), fixOf(own)),
    )
  }
  return findings.length > 0 ? findings : [problem('load', reasonOf(error))]
}

/** Why some programs of it do not load. */
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

/** Without "load object 'exec': ", which goes without saying here. */
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
  return since === undefined ? undefined : `Linux ${since} or newer, built with it`
}
