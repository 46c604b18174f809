// Machine code as instructions, by objdump or llvm-mc where one of them is installed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface MachineInstruction {
  /** From the beginning of the code, in bytes. */
  readonly offset: number
  readonly size: number
  readonly text: string
}

/** Names of a processor for objdump and llvm-mc. */
const machines: Partial<Record<string, { objdump: string; llvm: string }>> = {
  x64: { objdump: 'i386:x86-64', llvm: 'x86_64' },
  arm64: { objdump: 'aarch64', llvm: 'aarch64' },
}

/** `undefined` if no disassembler is installed. @param address - where the code is, for jumps in it */
export function disassembleMachineCode(code: Uint8Array, address: bigint): MachineInstruction[] | undefined {
  const machine = machines[process.arch]
  if (machine === undefined) return undefined
  return byObjdump(code, address, machine.objdump) ?? byLlvm(code, machine.llvm)
}

function byObjdump(code: Uint8Array, address: bigint, machine: string): MachineInstruction[] | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
  try {
    const file = join(folder, 'code')
    writeFileSync(file, code)
    // One line for each instruction, however long it is.
    const options = [
      '-D',
      '-b',
      'binary',
      '-m',
      machine,
      '--insn-width=16',
      `--adjust-vma=0x${address.toString(16)}`,
    ]
    const text = outputOf('objdump', [...options, file])
    const lines = [...(text ?? '').matchAll(/^ *([\da-f]+):\t([\da-f ]+)\t(.*)$/gm)]
    if (lines.length === 0) return undefined
    return lines.map(([, at = '', bytes = '', words = '']) => ({
      offset: Number(BigInt(`0x${at}`) - address),
      size: bytes.replaceAll(' ', '').length / 2,
      text: words.trim().replace(/\s+/g, ' '),
    }))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function byLlvm(code: Uint8Array, machine: string): MachineInstruction[] | undefined {
  const bytes = Array.from(code, (byte) => `0x${byte.toString(16)}`).join(' ')
  const text = outputOf('llvm-mc', ['--disassemble', '--show-encoding', `--triple=${machine}`], bytes)
  if (text === undefined) return undefined
  let offset = 0
  const found: MachineInstruction[] = []
  for (const [, words = '', encoding = ''] of text.matchAll(
    /^\t(.*?)\s*(?:#|\/\/) encoding: \[([^\]]*)\]$/gm,
  )) {
    const size = encoding.split(',').length
    found.push({ offset, size, text: words.replace(/\s+/g, ' ') })
    offset += size
  }
  return offset === code.length ? found : undefined
}

function outputOf(command: string, args: string[], input = ''): string | undefined {
  const { status, stdout } = spawnSync(command, args, { input, encoding: 'utf8', maxBuffer: 1 << 28 })
  return status === 0 ? stdout : undefined
}
