import {
  type AttachType,
  attachTypes,
  type LinkType,
  linkTypes,
  type MapType,
  mapTypes,
  type ProgramType,
  programTypes,
} from '../native/type-names.js'
import type { Answer } from './answer.js'
import { type Probe, run, runSync } from './ask.js'
import { attachType, linkType } from './attach.js'
import { helper, helpers, kfunc, kfuncNames } from './helpers.js'
import { type Machine, machine } from './machine.js'
import { mapType, programType } from './types.js'
import {
  type Isa,
  isa,
  isaNames,
  type VerifierFeature,
  verifierFeature,
  verifierFeatureNames,
} from './verifier.js'

/** Answers by name. */
export type Answers<N extends string = string> = Readonly<Record<N, Answer>>

/** Everything that {@link features} can tell. */
export interface AllFeatures {
  readonly machine: Machine
  readonly isa: Answers<Isa>
  readonly verifier: Answers<VerifierFeature>
  readonly programTypes: Answers<ProgramType>
  readonly mapTypes: Answers<MapType>
  readonly attachTypes: Answers<AttachType>
  readonly linkTypes: Answers<LinkType>
  /** The helpers that the kernel has for programs of each type; `undefined` where that cannot be told. */
  readonly helpers: Readonly<Record<ProgramType, readonly string[] | undefined>>
  /** The kernel functions that programs may call (Linux 5.13); `undefined` where the BTF does not say which, before Linux 6.10. */
  readonly kfuncs: readonly string[] | undefined
}

// What is so stays so while the process runs; what could not be told is asked again.
const answers = new Map<string, Answer>()
const helperAnswers = new Map<ProgramType, ReadonlyMap<string, Answer>>()

function* cached(key: string, probe: () => Probe<Answer>): Probe<Answer> {
  const known = answers.get(key)
  if (known !== undefined) return known
  const answer = yield* probe()
  if (answer.answer !== 'unknown') answers.set(key, answer)
  return answer
}

const probes = {
  programType: (name: ProgramType) => cached(`program ${name}`, () => programType(name)),
  mapType: (name: MapType) => cached(`map ${name}`, () => mapType(name)),
  attachType: (name: AttachType) => cached(`attach ${name}`, () => attachType(name)),
  linkType: (name: LinkType) => cached(`link ${name}`, () => linkType(name)),
  isa: (name: Isa) => cached(`isa ${name}`, () => isa(name)),
  verifier: (name: VerifierFeature) => cached(`verifier ${name}`, () => verifierFeature(name)),
}

function* helpersOf(type: ProgramType): Probe<ReadonlyMap<string, Answer>> {
  const known = helperAnswers.get(type)
  if (known !== undefined) return known
  const found = yield* helpers(type)
  const isSure = [...found.values()].every(({ answer }) => answer !== 'unknown')
  if (isSure) helperAnswers.set(type, found)
  return found
}

function* every<N extends string>(names: readonly N[], probe: (name: N) => Probe<Answer>): Probe<Answers<N>> {
  const found: Partial<Record<N, Answer>> = {}
  for (const name of names) if (name !== 'unspec') found[name] = yield* probe(name)
  return found as Answers<N>
}

function* everything(): Probe<AllFeatures> {
  const found = {
    machine: machine(),
    isa: yield* every(isaNames, probes.isa),
    verifier: yield* every(verifierFeatureNames, probes.verifier),
    programTypes: yield* every(programTypes, probes.programType),
    mapTypes: yield* every(mapTypes, probes.mapType),
    attachTypes: yield* every(attachTypes, probes.attachType),
    linkTypes: yield* every(linkTypes, probes.linkType),
  }
  const helpers: Partial<Record<ProgramType, readonly string[] | undefined>> = {}
  for (const type of programTypes) {
    if (type === 'unspec') continue
    const all = [...(yield* helpersOf(type))]
    const isUnknown = all.some(([, { answer }]) => answer === 'unknown')
    helpers[type] = isUnknown
      ? undefined
      : all.filter(([, { answer }]) => answer === 'yes').map(([name]) => name)
  }
  return { ...found, helpers: helpers as AllFeatures['helpers'], kfuncs: kfuncNames() }
}

/**
 * What this kernel can do, found out by trying and not by its version. The answer is 'yes', 'no' or 'unknown', with the reason and the version of Linux in
 * which it began. 'yes' and 'no' are remembered while the process runs. Each takes a few system calls, {@link features.all} thousands.
 * Nothing stays loaded, and nothing is attached to anything that exists, but links that do nothing for the moment in which they are made.
 */
export const features = {
  /** Whether there are programs of a type. (`libbpf_probe_bpf_prog_type`) */
  programType: (name: ProgramType): Answer => runSync(probes.programType(name)),
  /** Whether there are maps of a type. (`libbpf_probe_bpf_map_type`) */
  mapType: (name: MapType): Answer => runSync(probes.mapType(name)),
  /**
   * Whether programs of a type may call a helper. (`libbpf_probe_bpf_helper`) For tracing, ext, lsm and struct_ops that depends on what they are
   * attached to: 'unknown'.
   *
   * @param name - with or without `bpf_`
   */
  helper(type: ProgramType, name: string): Answer {
    const short = name.replace(/^bpf_/, '')
    return (
      helperAnswers.get(type)?.get(short) ??
      runSync(cached(`helper ${type} ${short}`, () => helper(type, short)))
    )
  },
  /** Each helper that this kernel knows, for programs of a type. */
  helpers: (type: ProgramType): ReadonlyMap<string, Answer> => runSync(helpersOf(type)),
  /**
   * Whether programs of a type may call a kernel function (kfunc) that is not in a module. Needs the kernel's BTF.
   *
   * @param type - 'syscall' where nothing is said
   */
  kfunc: (name: string, type: ProgramType = 'syscall'): Answer =>
    runSync(cached(`kfunc ${type} ${name}`, () => kfunc(name, type))),
  /** Whether programs can be attached in a way, named as in `expectedAttachType`. */
  attachType: (name: AttachType): Answer => runSync(probes.attachType(name)),
  /** Whether there are links of a kind. */
  linkType: (name: LinkType): Answer => runSync(probes.linkType(name)),
  /** Whether the kernel knows an instruction set: what clang's -mcpu= may be. */
  isa: (name: Isa): Answer => runSync(probes.isa(name)),
  /**
   * Loops that end (`bounded_loops`), programs of up to a million instructions instead of 4096 (`large_programs`), and whether maps and programs count
   * against the cgroup's memory instead of RLIMIT_MEMLOCK (`memcg_accounting`).
   */
  verifier: (name: VerifierFeature): Answer => runSync(probes.verifier(name)),
  /** How the machine is set up: BTF, JIT, sysctls, mounts, lockdown, and what this process may do. Read anew at each call. */
  machine,
  /** All of it, on libuv's pool. */
  all: (): Promise<AllFeatures> => run(everything()),
  /** Like {@link features.all}, and waits: a second or so. */
  allSync: (): AllFeatures => runSync(everything()),
} as const
