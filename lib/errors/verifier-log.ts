import type { SourceLine } from './errors.js'

/** What a verifier log says of a program. */
export interface Verdict {
  program: string
  /** The log, whole. */
  text: string
  /** Its last sentence. */
  reason: string
  instruction: number | undefined
  source: SourceLine | undefined
}

const frame = /prog '([^']*)': -- BEGIN PROG LOAD LOG --\n([\s\S]*?)-- END PROG LOAD LOG --/g
// "; int x = *p; @ exec.bpf.c:12"; older kernels leave out the place.
const sourceLine = /^\d*:? ?; (?:(.*) @ ((?:(?! @ ).)+):(\d{1,7})|(.*))$/s
// "12: (85) call ...", and what libbpf makes of those that it could not relocate: "12: <invalid CO-RE relocation>".
const instructionLine = /^(\d{1,7}): (?:R\d.*; )?(?:\([0-9a-f]{2}\) |<)/

/** The verifier logs among libbpf's messages, one for each program it tried. */
export function findVerdicts(log: string): Verdict[] {
  return [...log.matchAll(frame)].map(([, program, text]) => readVerdict(program!, text!))
}

/** Reads one program's verifier log. */
export function readVerdict(program: string, text: string): Verdict {
  let reason = ''
  let instruction: number | undefined
  let source: SourceLine | undefined
  for (const line of text.split('\n')) {
    const at = instructionLine.exec(line)
    const from = sourceLine.exec(line)
    if (at !== null) instruction = Number(at[1])
    // The compiler's own instructions come from line 0.
    else if (from !== null && from[3] === '0') continue
    else if (from !== null)
      source = { file: from[2] ?? '', line: Number(from[3] ?? 0), text: (from[1] ?? from[4]!).trim() }
    else if (isReason(line)) reason = line.trim()
  }
  return { program, text, reason, instruction, source }
}

/** Statistics, states of registers and hints on branches stand in the log, too, after or between sentences. */
function isReason(line: string): boolean {
  return (
    line.trim() !== '' &&
    !/^(processed \d+ insns|verification time|stack depth|max_states|from \d+ to|\d+: R\d|R\d+[_=(]|mark_precise|last_idx|regs=|parent |fp-?\d|Func#|Validating |arg#\d+ |func#\d+ |-- |BPF program is too large)/.test(
      line,
    )
  )
}
