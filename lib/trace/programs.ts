// The programs of a session as text. Probes whose programs would be the same share one.
import { features } from '../features/features.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import { Builtins } from './builtins.js'
import { TraceError } from './error.js'
import { type Code, type Constants, KernelText, type Tables } from './kernel-text.js'
import { type ParsedCode, parseCode } from './nodes.js'
import { isRawTracepoint, isSystemCall, type Probe, type ProbeHook, probesOf } from './probes.js'

export interface ProgramPart {
  readonly probes: string | readonly string[]
  /** The statements of the programs, made from the texts that functions have at one probe. */
  readonly lines: (text: (code: Code) => KernelText) => string[]
}

/** A program, and the probes that it is attached to. */
export interface SharedProgram {
  readonly name: string
  /** The word of the kernel side that makes it. */
  readonly word: string
  readonly probes: readonly Probe[]
  /** The place of each probe's name in the map of names. `undefined` if the program does not ask for it. */
  readonly cookies: readonly number[] | undefined
}

/** How hooks are written on the kernel side, if not as they are called here. */
const wordsOf: Partial<Record<ProbeHook, string>> = {
  profile: 'perfEvent',
  interval: 'perfEvent',
  perf: 'perfEvent',
  watchpoint: 'perfEvent',
  // The kernel runs these when it is asked to, and never at the tracepoint.
  begin: 'rawTp',
  end: 'rawTp',
}

/** The version of Linux in which a program learns which of its probes was hit. */
const cookiesSince: Partial<Record<string, string>> = {
  tracepoint: '5.15',
  rawTp: '6.10',
  kprobe: '5.15',
  kretprobe: '5.15',
  kprobeMulti: '5.18',
  kretprobeMulti: '5.18',
  uprobe: '5.15',
  uretprobe: '5.15',
}

/** A program before it has a name. */
interface Draft {
  readonly probe: Probe
  readonly word: string
  readonly parameters: string
  readonly lines: string
  readonly isShareable: boolean
  readonly asksForName: boolean
}

export function programsOf(
  parts: readonly ProgramPart[],
  constants: Constants,
  tables: Tables,
  pid: number | undefined,
): { programs: SharedProgram[]; probes: string[]; names: string[]; text: string } {
  // Many probes have the same function, which is parsed once.
  const parsed = new Map<Code, ParsedCode>()
  const parse = (code: Code): ParsedCode => {
    const found = parsed.get(code) ?? parseCode(code)
    parsed.set(code, found)
    return found
  }
  const began = process.hrtime.bigint()
  const all = parts.map(({ probes, lines }) => ({ probes: probesOf(probes), lines }))
  const probes = all.flatMap(({ probes }) => probes.map(({ name }) => name))
  if (probes.length === 0) throw new TraceError('a session needs a probe')
  const nameLength = Math.max(...probes.map(({ length }) => length))
  const programs: SharedProgram[] = []
  const names: string[] = []
  const texts: string[] = []
  for (const [part, { probes, lines }] of all.entries()) {
    const draft = (probe: Probe, isShared: boolean): Draft => {
      const builtins = new Builtins(probe, { nameLength, isShared, began })
      const statements = lines((code) => new KernelText(parse(code), builtins, constants, tables))
      return draftOf(probe, builtins, statements, pid)
    }
    for (const [i, group] of groupsOf(probes, draft).entries()) {
      const { word, parameters, lines, asksForName } = group[0]!
      const members = group.map(({ probe }) => probe)
      const isMulti = members.length > 1 && /^kr?e?t?probe$/.test(word) && hasKprobeMulti()
      const program: SharedProgram = {
        name: `p${part}_${i}`,
        word: isMulti ? `${word}Multi` : word,
        probes: members,
        cookies: asksForName ? members.map(({ name }) => names.push(name) - 1) : undefined,
      }
      programs.push(program)
      texts.push(textOf(program, parameters, lines))
    }
  }
  const map =
    names.length === 0
      ? ''
      : `interface ProbeName { text: char<${Math.ceil((nameLength + 1) / 8) * 8}> }\nexport const probe_names = array<ProbeName>(${names.length})\n`
  return { programs, probes, names, text: `${map}\n${texts.join('\n')}\nexport const license = 'GPL'\n` }
}

/** Probes that can have one program together. */
function groupsOf(probes: readonly Probe[], draft: (probe: Probe, isShared: boolean) => Draft): Draft[][] {
  if (probes.length === 1) return [[draft(probes[0]!, false)]]
  const groups = new Map<string, Draft[]>()
  for (const probe of probes) {
    const shared = draft(probe, true)
    const canShare = shared.isShareable && (!shared.asksForName || hasCookies(shared.word))
    const own = canShare ? shared : draft(probe, false)
    const key = canShare ? `${own.word}\0${own.parameters}\0${own.lines}` : probe.name
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [own])
    else group.push(own)
  }
  return [...groups.values()].flatMap((group) => {
    const [only, ...more] = group
    return more.length === 0 && only!.asksForName ? [[draft(only!.probe, false)]] : [group]
  })
}

/** Linux 5.18 has it, unless it is built without CONFIG_FPROBE. */
const hasKprobeMulti = (): boolean => features.attachType('trace_kprobe_multi').answer === 'yes'

function hasCookies(word: string): boolean {
  const since = cookiesSince[word]
  return since !== undefined && !kernelIsOlderThan(since)
}

function draftOf(probe: Probe, builtins: Builtins, statements: string[], pid: number | undefined): Draft {
  const { parameters, asksForName, isTyped } = builtins
  const { hook } = probe
  const isPlain = hook === 'tracepoint' && parameters === '' && isRawTracepoint(probe)
  const isPattern = /^u(ret)?probe$/.test(hook) && /[*?]/.test(probe.symbol!)
  const word = isPlain ? 'rawTp' : isPattern ? `${hook}Multi` : (wordsOf[hook] ?? hook)
  const first = [
    ...(asksForName
      ? ['const probe_name = probe_names.get(u32(bpf.getAttachCookie()))', 'if (!probe_name) return 0']
      : []),
    ...builtins.before,
    ...(pid === undefined || hook === 'iter' || hook === 'begin' || hook === 'end'
      ? []
      : [`if (u32(bpf.getCurrentPidTgid() >>> 32) !== ${pid}) return 0`]),
  ]
  return {
    probe: isPlain ? { ...probe, hook: 'rawTp', target: probe.target.split('/')[1]! } : probe,
    word,
    parameters,
    lines: [...first, ...statements].join('\n'),
    isShareable:
      /^u(ret)?probe$/.test(word) ||
      (/^k(ret)?probe$/.test(hook) && !isTyped) ||
      (/^(rawTp|tracepoint)$/.test(word) && (parameters === '' || isSystemCall(probe))),
    asksForName,
  }
}

function textOf({ name, word, probes }: SharedProgram, parameters: string, lines: string): string {
  const [{ hook, target }] = probes as [Probe]
  const hasTarget = !/^u|perfEvent/.test(word)
  const where = !hasTarget ? '' : `'${hook === 'begin' || hook === 'end' ? 'sched_switch' : target}', `
  const body = lines
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => `  ${line}`)
    .join('\n')
  return `export const ${name} = ${word}(${where}(${parameters}) => {\n${body}\n})\n`
}
