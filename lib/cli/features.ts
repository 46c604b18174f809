import type { AllFeatures } from '../features/features.js'
import { type Answers, features } from '../features/features.js'
import type { Machine } from '../features/machine.js'
import { type Command, exitCodes } from './command.js'
import { listing, oneOf, parseOptions, print, printJson, right, table } from './output.js'

const options = { json: { type: 'boolean' }, missing: { type: 'boolean' } } as const
const sections = [
  'machine',
  'isa',
  'verifier',
  'program',
  'map',
  'mapflags',
  'attach',
  'link',
  'helpers',
  'kfuncs',
] as const
type Section = (typeof sections)[number]

export const command: Command = {
  usage: '[--json] [--missing] [SECTION...]',
  summary: 'List what this kernel supports: types of programs and maps, helpers, ...',
  help: `SECTION is one of ${sections.join(', ')}; without it, all sections are printed.
Every feature is tested by trying it; 'since' is the version of Linux that introduced it.

      --json     print JSON; null means unknown
      --missing  print only what is not supported or unknown

Requires CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; without them, most answers are unknown.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    // bpftool says 'feature probe kernel full'.
    const [first, ...rest] = positionals
    const words =
      first === 'probe' ? rest.filter((word) => word !== 'kernel' && word !== 'full') : positionals
    const wanted = words.length === 0 ? sections : words.map((word) => oneOf('section', sections, word))
    const all = await features.all()
    if (values.json) {
      printJson(Object.fromEntries(wanted.map((section) => [keys[section], plain(section, all)])))
    } else {
      print(wanted.map((section) => show(section, all, values.missing === true)).join('\n'))
    }
    return exitCodes.ok
  },
}

const keys = {
  machine: 'machine',
  isa: 'isa',
  verifier: 'verifier',
  program: 'programTypes',
  map: 'mapTypes',
  mapflags: 'mapFlags',
  attach: 'attachTypes',
  link: 'linkTypes',
  helpers: 'helpers',
  kfuncs: 'kfuncs',
} as const satisfies Record<Section, keyof AllFeatures>

/** JSON has null for what is unknown. */
function plain(section: Section, all: AllFeatures): unknown {
  if (section === 'kfuncs') return all.kfuncs ?? null
  if (section === 'machine') return machineForJson(all.machine)
  if (section !== 'helpers') return all[keys[section]]
  return Object.fromEntries(Object.entries(all.helpers).map(([type, names]) => [type, names ?? null]))
}

/** JSON has no infinity. */
export function machineForJson(machine: Machine): object {
  const { memlockLimit } = machine
  return { ...machine, memlockLimit: memlockLimit === Number.POSITIVE_INFINITY ? 'unlimited' : memlockLimit }
}

function show(section: Section, all: AllFeatures, onlyMissing: boolean): string {
  switch (section) {
    case 'machine':
      return machineText(all.machine)
    case 'helpers':
      return table(
        ['programs', right('helpers')],
        Object.entries(all.helpers).map(([type, names]) => [type, names?.length ?? 'unknown']),
      )
    case 'kfuncs':
      return `kernel functions that programs can call: ${all.kfuncs?.length ?? "unknown, because the kernel's BTF does not mark them"}\n`
    default:
      return answersText(section, all[keys[section]], onlyMissing)
  }
}

function answersText(section: string, answers: Answers, onlyMissing: boolean): string {
  const rows = Object.entries(answers)
    .filter(([, { answer }]) => !onlyMissing || answer !== 'yes')
    .map(([name, { answer, since, reason }]) => [name, answer, since, reason])
  return table([section, '', 'since', ''], rows)
}

const onOff = (on: boolean | undefined): string => (on === undefined ? 'unknown' : on ? 'on' : 'off')

function machineText(machine: Machine): string {
  const { btf, capabilities, mounts, memlockLimit } = machine
  const held = Object.entries(capabilities).filter(([, has]) => has)
  return listing([
    ['kernel', `${machine.release} (${machine.architecture})`],
    ['BTF', btf.vmlinux ? `yes, and for ${btf.modules.length} modules` : 'no'],
    ['JIT', machine.jit ?? 'unknown'],
    ['JIT hardening', machine.jitHarden ?? 'unknown'],
    ['unprivileged_bpf_disabled', machine.unprivilegedBpfDisabled ?? 'unknown'],
    ['run time statistics', onOff(machine.statistics)],
    ['perf_event_paranoid', machine.perfEventParanoid ?? 'unknown'],
    ['kptr_restrict', machine.kptrRestrict ?? 'unknown'],
    ['lockdown', machine.lockdown ?? 'unknown (securityfs is not mounted)'],
    ['security modules', machine.securityModules?.join(', ') ?? 'unknown (securityfs is not mounted)'],
    [
      'mounted',
      Object.entries(mounts)
        .map(([type, path]) => `${type} at ${path}`)
        .join(', ') || 'nothing',
    ],
    ['capabilities', held.map(([name]) => name).join(', ') || 'none'],
    ['seccomp filter', machine.seccomp ? 'yes' : 'no'],
    ['container', machine.container ?? 'none detected'],
    [
      'memlock limit',
      memlockLimit === undefined
        ? 'unknown'
        : memlockLimit === Number.POSITIVE_INFINITY
          ? 'unlimited'
          : `${memlockLimit} bytes`,
    ],
  ])
}
