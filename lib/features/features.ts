import { type MapType, mapTypes } from '../native/map-types.js'
import {
  type AttachType,
  attachTypes,
  type LinkType,
  linkTypes,
  type ProgramType,
  programTypes,
} from '../native/type-names.js'
import type { Answer } from './answer.js'
import { type Probe, run, runSync } from './ask.js'
import { attachType, linkType } from './attach.js'
import { helper, helpers, kfunc, kfuncNames } from './helpers.js'
import { type Machine, machine } from './machine.js'
import { type MapFlag, mapFlag, mapFlagNames } from './map-flags.js'
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

/** The result of {@link features.all}. */
export interface AllFeatures {
  readonly machine: Machine
  readonly isa: Answers<Isa>
  readonly verifier: Answers<VerifierFeature>
  readonly programTypes: Answers<ProgramType>
  readonly mapTypes: Answers<MapType>
  readonly mapFlags: Answers<MapFlag>
  readonly attachTypes: Answers<AttachType>
  readonly linkTypes: Answers<LinkType>
  /** The helpers that programs of each type may call; `undefined` if that could not be found out. */
  readonly helpers: Readonly<Record<ProgramType, readonly string[] | undefined>>
  /**
   * The kernel functions (kfuncs) that programs may call (Linux 5.13). `undefined` before Linux 6.10, whose BTF does
   * not mark them.
   */
  readonly kfuncs: readonly string[] | undefined
}

// Answers do not change while the process runs. What could not be found out is asked again.
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
  mapFlag: (name: MapFlag) => cached(`flag ${name}`, () => mapFlag(name)),
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
    mapFlags: yield* every(mapFlagNames, probes.mapFlag),
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
 * What this kernel supports. It is found out by trying, not from the kernel's version. The answer is 'yes', 'no' or
 * 'unknown', with the reason and the version of Linux that introduced the feature. 'yes' and 'no' are remembered while
 * the process runs. One answer needs a few system calls, {@link features.all} thousands.
 *
 * Nothing stays loaded. Programs are attached only to things that do not exist; a few types of links are created for a
 * moment and do nothing.
 *
 * @example
 * if (features.mapType('ringbuf').answer !== 'yes') console.log(features.mapType('ringbuf').reason)
 */
export const features = {
  /** Whether the kernel supports a program type. (`libbpf_probe_bpf_prog_type`) */
  programType: (name: ProgramType): Answer => runSync(probes.programType(name)),
  /** Whether the kernel supports a map type. (`libbpf_probe_bpf_map_type`) */
  mapType: (name: MapType): Answer => runSync(probes.mapType(name)),
  /** Whether maps can be created with a flag, such as 'mmapable' for BPF_F_MMAPABLE. */
  mapFlag: (name: MapFlag): Answer => runSync(probes.mapFlag(name)),
  /**
   * Whether programs of a type may call a helper. (`libbpf_probe_bpf_helper`) The answer is 'unknown' for tracing, ext,
   * lsm and struct_ops programs, because it depends on what they are attached to.
   *
   * @param name - the helper's name, with or without `bpf_`
   */
  helper(type: ProgramType, name: string): Answer {
    const short = name.replace(/^bpf_/, '')
    return (
      helperAnswers.get(type)?.get(short) ??
      runSync(cached(`helper ${type} ${short}`, () => helper(type, short)))
    )
  },
  /** All helpers that this kernel knows, and whether programs of a type may call them. */
  helpers: (type: ProgramType): ReadonlyMap<string, Answer> => runSync(helpersOf(type)),
  /**
   * Whether programs of a type may call a kernel function (kfunc). Functions of modules are not found. Requires the
   * kernel's BTF.
   *
   * @param type - the default is 'syscall'
   */
  kfunc: (name: string, type: ProgramType = 'syscall'): Answer =>
    runSync(cached(`kfunc ${type} ${name}`, () => kfunc(name, type))),
  /** Whether the kernel supports an attach type, named as in `Program.expectedAttachType`. */
  attachType: (name: AttachType): Answer => runSync(probes.attachType(name)),
  /** Whether the kernel supports a type of link. */
  linkType: (name: LinkType): Answer => runSync(probes.linkType(name)),
  /** Whether the kernel supports an instruction set, as named in clang's `-mcpu=`. */
  isa: (name: Isa): Answer => runSync(probes.isa(name)),
  /**
   * Whether the kernel has a feature: loops that end (`bounded_loops`), programs of up to a million instructions
   * instead of 4096 (`large_programs`), or maps and programs that count against the cgroup's memory instead of
   * RLIMIT_MEMLOCK (`memcg_accounting`).
   */
  verifier: (name: VerifierFeature): Answer => runSync(probes.verifier(name)),
  /**
   * How the machine is set up: BTF, JIT, sysctls, mounts, lockdown, and the privileges of this process. It is read
   * again on every call.
   */
  machine,
  /** Finds out everything, on libuv's pool. */
  all: (): Promise<AllFeatures> => run(everything()),
  /** Like {@link features.all}, but waits for the result. It takes about a second. */
  allSync: (): AllFeatures => runSync(everything()),
} as const
