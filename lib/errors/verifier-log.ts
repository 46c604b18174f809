import type { SourceLine } from './errors.js'

/** What the verifier log of a rejected program says. */
export interface Verdict {
  /** The sentences after the last instruction, on one line; '' where there are none. */
  reason: string
  /** The instruction that the verifier stopped at. */
  instruction: number | undefined
  /** The C line of that instruction. */
  source: SourceLine | undefined
}

// "; int x = *p; @ exec.bpf.c:12"; kernels before 6.10 leave out the file and the line.
const sourceLine = /^\d*:? ?; (?:(.*) @ ((?:(?! @ ).)+):(\d{1,7})|(.*))$/s
// "12: (85) call ...", or "12: <invalid CO-RE relocation>", which libbpf puts in place of a call that it could not
// relocate.
const instructionLine = /^(\d{1,7}): (?:R\d.*; )?(?:\([0-9a-f]{2}\) |<)/
/** Where the verifier continues with another path or function. The lines above it are about something else. */
const turn =
  /^(?:from \d+ to |\d+: (?:frame\d+: )?R\d|\d+: safe|(?:Validating |func#\d|Func#\d|Live regs|\s*\d+: [.0-9]{10})|(?:caller|callee|returning from callee|to caller at \d+):?)/
/**
 * Statistics, register states and the search for precise registers. They stand between sentences, and after the last
 * one.
 */
const aside =
  /^(?:$|processed \d+ insns|verification time|stack depth|insns[_ ]processed|max_states|(?:cur|old) state:|(?:frame\d+: )?R\d+(?:_\w+)?=|fp-?\d+|mark_precise|last_idx|regs=|parent |propagating |\(\d+\) (?:frame \d+|live stack) |func '\S+' arg\d+ has btf_id|-- )/
/** Found after all instructions were checked, so the last instruction is not the cause. */
const aboutWholeProgram =
  /^combined stack size|^the call stack of|^tail_calls are not allowed when call stack/
/** More sentences than these never belong together. */
const mostSentences = 4

/** How far back from its end a log is read. */
export const readFromEnd = 64 << 10

/** Reads the verdict from the end of a verifier log, at whatever level the log was written. */
export function readVerdict(log: string): Verdict {
  // Some sentences lack their line end.
  const text = log
    .slice(-readFromEnd)
    .replace(/(?<!\n|^)(?=processed \d+ insns \(limit|verification time \d+ usec)/g, '\n')
  const lines = text.split('\n')
  const sentences: string[] = []
  let isBlock = true
  let instruction: number | undefined
  let source: SourceLine | undefined
  for (const line of lines.reverse()) {
    const at = instructionLine.exec(line)
    const from = at === null ? sourceLine.exec(line) : null
    if (at !== null) {
      instruction ??= Number(at[1])
      isBlock = false
    } else if (from !== null) {
      // The compiler's own instructions come from line 0.
      if (from[3] !== '0') source ??= sourceOf(from)
    } else if (!isBlock || aside.test(line.trim())) {
      // These lines say nothing about the verdict.
    } else if (turn.test(line)) {
      isBlock = sentences.length === 0
    } else if (sentences.length < mostSentences) {
      sentences.unshift(line.trim())
    }
    if (!isBlock && instruction !== undefined && source !== undefined) break
  }
  const reason = joined(sentences)
  if (aboutWholeProgram.test(reason)) return { reason, instruction: undefined, source: undefined }
  const [, named] = /\binsn (\d{1,7})\b/.exec(reason) ?? []
  return { reason, instruction: named === undefined ? instruction : Number(named), source }
}

/** Written about each argument of an unknown size, which only matters if nothing else is wrong. */
const aboutArgument = /^arg#\d+ reference type\('.*'\) size cannot be determined/

function joined(sentences: readonly string[]): string {
  const others = sentences.filter((sentence) => !aboutArgument.test(sentence))
  // A comma at the end of a line says that the sentence goes on.
  return (others.length > 0 ? others : sentences).join('; ').replaceAll(',; ', ', ')
}

function sourceOf([, text, file, line, bare]: RegExpExecArray): SourceLine {
  return { file: file ?? '', line: Number(line ?? 0), text: (text ?? bare!).trim() }
}

/** What the verifier reports about its work on a program. Older kernels do not report everything. */
export interface VerifierStats {
  /** How many instructions it processed, over all paths. */
  readonly instructions: number
  /** How many it would have processed at most. */
  readonly limit: number
  /** The most states that it kept for one instruction. */
  readonly maxStatesPerInstruction: number
  /** How many states it created, and how many it held at one time. */
  readonly totalStates: number
  readonly peakStates: number
  /** How many bytes of stack the program uses, and then each of its functions; up to 512 along a chain of calls. */
  readonly stackDepths: readonly number[]
  /** How long it took, in microseconds. */
  readonly duration: number | undefined
}

/** Reads the statistics at the end of a verifier log; `undefined` if it has none. */
export function readStats(log: string): VerifierStats | undefined {
  const text = log.slice(-readFromEnd)
  const [, instructions, limit] = /processed (\d+) insns \(limit (\d+)\)/.exec(text) ?? []
  if (instructions === undefined) return undefined
  const number = (word: string): number => Number(new RegExp(`\\b${word} (\\d+)`).exec(text)?.[1] ?? 0)
  const [, depths] = /stack depth ([\d+]+)/.exec(text) ?? []
  const [, duration] = /verification time (\d+) usec/.exec(text) ?? []
  return {
    instructions: Number(instructions),
    limit: Number(limit),
    maxStatesPerInstruction: number('max_states_per_insn'),
    totalStates: number('total_states'),
    peakStates: number('peak_states'),
    stackDepths: depths?.split('+').map(Number) ?? [],
    duration: duration === undefined ? undefined : Number(duration),
  }
}

/** The program that failed to load, by what libbpf says. */
export function rejectedProgram(warnings: string): string | undefined {
  return /prog '([^'\n]*)': (?:BPF program load failed|failed to load): /.exec(warnings)?.[1]
}

/** The verifier log of a program in what libbpf printed; `undefined` where it printed none. */
export function verifierLogOf(program: string, warnings: string): string | undefined {
  const begin = `prog '${program}': -- BEGIN PROG LOAD LOG --\n`
  const start = warnings.lastIndexOf(begin)
  if (start < 0) return undefined
  const end = warnings.indexOf('-- END PROG LOAD LOG --', start)
  return warnings.slice(start + begin.length, end < 0 ? undefined : end)
}
