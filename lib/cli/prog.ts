import { uptime } from 'node:os'
import { type Held, listPrograms, programInfo } from '../kernel/inventory.js'
import { dumpProgram, type JitedFunction, type ProgramDump } from '../programs/dump.js'
import type { ProgramInfo } from '../programs/info.js'
import { type Command, exitCodes, UsageError, visible } from './command.js'
import {
  expectNoMore,
  holderNames,
  idOf,
  listing,
  oneOf,
  parseOptions,
  print,
  printJson,
  right,
  table,
} from './output.js'

const options = { json: { type: 'boolean' }, opcodes: { type: 'boolean' } } as const
const verbs = ['list', 'show', 'dump'] as const
const forms = ['xlated', 'jited'] as const

export const command: Command = {
  usage: 'list | show ID | dump xlated|jited ID',
  summary: 'List the programs in the kernel, and print their instructions',
  help: `  list              list all programs, and the processes that hold them
  show ID           describe one program
  dump xlated ID    print its instructions after verification, with the C source lines
  dump jited ID     print its machine code in hexadecimal, with addresses and C source lines, without disassembly

      --json        print JSON
      --opcodes     with dump xlated: print the bytes of each instruction, too

Requires CAP_SYS_ADMIN.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [word, ...words] = positionals
    const verb = oneOf('action', verbs, word)
    const form = verb === 'dump' ? oneOf('form', forms, words.shift()) : undefined
    const id = verb === 'list' ? undefined : words.shift()
    expectNoMore(words)
    if (values.opcodes && form !== 'xlated')
      throw new UsageError('--opcodes can only be used with dump xlated')
    const json = values.json === true
    switch (verb) {
      case 'list':
        return list(json)
      case 'show':
        return show(idOf(id), json)
      case 'dump':
        return dump(form!, idOf(id), json, values.opcodes === true)
    }
  },
}

function list(json: boolean): number {
  const found = [...listPrograms({ holders: true })]
  if (json) printJson(found.map(forJson))
  else {
    print(
      table(
        [right('id'), 'type', 'name', right('bytes'), 'maps', 'held by'],
        found.map((info) => [
          info.id,
          info.type,
          info.name,
          info.xlatedSize,
          info.mapIds.join(','),
          holderNames(info.holders),
        ]),
      ),
    )
  }
  return exitCodes.ok
}

function show(id: number, json: boolean): number {
  const info: ProgramInfo & Held =
    [...listPrograms({ holders: true })].find((info) => info.id === id) ?? programInfo(id)
  if (json) printJson(forJson(info))
  else {
    print(
      listing([
        ['id', info.id],
        ['name', info.name],
        ['type', info.type],
        ['tag', info.tag],
        ['license', info.gplCompatible ? 'GPL compatible' : 'not GPL compatible'],
        ['instructions', `${info.xlatedSize / 8}, ${info.verifiedInstructions} verified`],
        [
          'machine code',
          info.jitedSize > 0 ? `${info.jitedSize} bytes` : 'none, or hidden from this process',
        ],
        ['loaded', `${loadedAt(info)}, by user ${info.createdByUid}`],
        ['maps', info.mapIds.join(', ')],
        ['BTF', info.btfId || undefined],
        ['interface', info.ifindex || undefined],
        [
          'runs',
          info.runCount > 0n ? `${info.runCount}, ${info.runTimeNs / info.runCount} ns each` : undefined,
        ],
        ['held by', holderNames(info.holders)],
      ]),
    )
  }
  return exitCodes.ok
}

const forJson = (info: ProgramInfo): object => ({ ...info, loadTime: loadedAt(info) })

/** The kernel says how many nanoseconds after booting the program was loaded. */
function loadedAt({ loadTime }: ProgramInfo): string {
  const booted = Date.now() - uptime() * 1000
  return new Date(booted + Number(loadTime / 1_000_000n)).toISOString().replace(/\.\d+Z$/, 'Z')
}

function dump(form: (typeof forms)[number], id: number, json: boolean, opcodes: boolean): number {
  const dumped = dumpProgram(id)
  if (json) printJson(dumped[form === 'xlated' ? 'instructions' : 'jited'])
  else if (form === 'xlated') print(xlated(dumped, opcodes))
  else print(jited(dumped))
  return exitCodes.ok
}

function xlated({ instructions }: ProgramDump, opcodes: boolean): string {
  if (instructions.length === 0) return 'the kernel hides the instructions from this process\n'
  const lines: string[] = []
  for (const { function: name, source, index, text, bytes } of instructions) {
    if (name !== undefined) lines.push(`${visible(name)}:`)
    if (source !== undefined) lines.push(`; ${visible(source.text)}`)
    lines.push(`${String(index).padStart(4)}: ${visible(text)}`)
    if (opcodes) lines.push(`       ${hex(bytes)}`)
  }
  return `${lines.join('\n')}\n`
}

function jited({ jited }: ProgramDump): string {
  if (jited.length === 0)
    return 'there is no machine code: the JIT is off, or the kernel hides it from this process\n'
  return jited.map(jitedFunction).join('\n')
}

/** Bytes per line. */
const lineLength = 16

function jitedFunction({ name, address, bytes, lines }: JitedFunction): string {
  const text = [`${visible(name) || 'function'}: ${bytes.length} bytes at 0x${address.toString(16)}`]
  const starts = [...new Set([0, ...lines.map(({ offset }) => offset), bytes.length])].sort((a, b) => a - b)
  for (const [i, start] of starts.slice(0, -1).entries()) {
    for (const { source } of lines.filter(({ offset }) => offset === start))
      text.push(`; ${visible(source.text)}`)
    for (let at = start; at < starts[i + 1]!; at += lineLength) {
      const end = Math.min(at + lineLength, starts[i + 1]!)
      text.push(`${at.toString(16).padStart(6)}: ${hex(bytes.subarray(at, end))}`)
    }
  }
  return `${text.join('\n')}\n`
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/..(?!$)/g, '$& ')
}
