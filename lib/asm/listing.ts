import { helperNames } from './helper-names.js'
import { type Instruction, slotsOf } from './instruction.js'
import { textOf, type Words } from './text.js'

/**
 * Prints instructions as the kernel's verifier and bpftool do, one per line, with labels, names and source lines in
 * place.
 *
 * @returns lines that begin with the position in slots of 8 bytes
 * @example
 * console.log(toText([mov(r0, 0), label('out', exit())]))
 * //    0: r0 = 0
 * // out:
 * //    1: exit
 */
export function toText(instructions: readonly Instruction[]): string {
  const lines: string[] = []
  let slot = 0
  let source: string | undefined
  for (const instruction of instructions) {
    const { labels = [], line } = instruction
    for (const label of labels) lines.push(`${label}:`)
    const where = line && `; ${line.text.trim()} @ ${line.file}:${line.line}`
    if (where !== undefined && where !== source) lines.push(where)
    source = where
    lines.push(`${String(slot).padStart(4)}: ${instructionText(instruction)}`)
    slot += slotsOf(instruction)
  }
  return lines.join('\n')
}

/** Prints one instruction, such as `r0 = *(u32 *)(r1 +8)`. */
export function instructionText(instruction: Instruction): string {
  const { code, dst, src, offset, imm } = instruction
  const wide = BigInt(imm)
  const fields = {
    code,
    dst,
    src,
    offset,
    immediate: Number(BigInt.asIntN(32, wide)),
    upper: Number(BigInt.asIntN(32, wide >> 32n)),
  }
  return textOf(fields, wordsOf(instruction))
}

function wordsOf({ target, symbol }: Instruction): Words {
  return {
    target: () => target ?? (symbol?.kind === 'kfunc' ? symbol.name : undefined),
    value: () => {
      if (symbol === undefined) return target && `subprog[${target}]`
      const { kind, name, offset = 0 } = symbol
      const shown = kind === 'data' ? `&${name}` : `${kind}[${name}]`
      return offset === 0 ? shown : `${shown}+${offset}`
    },
    call: ({ src, immediate }) => {
      const name = src === 0 ? helperNames[immediate] : undefined
      return name && `bpf_${name}`
    },
  }
}
