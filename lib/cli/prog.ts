import { writeFileSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Held } from '../kernel/inventory.js'
import { dumpProgram, type JitedFunction, type ProgramDump } from '../programs/dump.js'
import type { ProgramInfo } from '../programs/info.js'
import { type Command, exitCodes, Failed, UsageError, visible } from './command.js'
import { disassembleMachineCode, type MachineInstruction } from './disassemble.js'
import {
  holderNames,
  isJson,
  jsonOptions,
  listing,
  oneOf,
  parseOptions,
  print,
  printJson,
  right,
  table,
} from './output.js'
import { attach, detach, load, pin, run, tracelog } from './prog-actions.js'
import { find, idOfOne, pinsOf } from './select.js'
import { programIn, type Reference, Words } from './words.js'

const options = {
  ...jsonOptions,
  opcodes: { type: 'boolean' },
  bpffs: { type: 'boolean', short: 'f' },
} as const
const verbs = [
  'list',
  'show',
  'dump',
  'load',
  'loadall',
  'attach',
  'detach',
  'pin',
  'run',
  'tracelog',
] as const
const forms = ['xlated', 'jited'] as const

export const command: Command = {
  usage: 'list [PROG] | show PROG | dump xlated|jited PROG | load|loadall|attach|detach|pin|run|tracelog ...',
  summary: 'List, print, load, attach, detach, pin and run programs',
  help: `  list [PROG]             list all programs or those that match, and the processes that hold them
  show PROG               describe the programs that match; without PROG, the same as list
  dump xlated PROG        print its instructions after verification, with the C source lines
  dump jited PROG         print its machine code, with the C source lines: instructions if objdump or llvm-mc is
                          installed, otherwise hexadecimal digits
       opcodes              also the bytes of each instruction
       file FILE            write the bytes to a file instead
  load OBJ PATH           load the first program of an object file and pin it to PATH
  loadall OBJ DIR         load all of them and pin each to DIR/NAME
       type TYPE            its type, if SEC() does not say it
       map name NAME MAP    use a map that exists instead of the map of this name; can be repeated
       pinmaps MAP_DIR      pin the maps to MAP_DIR/NAME
       autoattach           attach it as SEC() says, and pin the link instead of the program
  attach PROG SECTION [dev NAME | cgroup PATH | netns PATH | map MAP] pin PATH
                          attach it as SEC("SECTION") says, and pin the link to PATH: it stays attached
  attach PROG TYPE MAP    attach it to a sockmap without a link, so that it stays: TYPE is sk_skb_stream_parser,
                          sk_skb_stream_verdict, sk_skb_verdict or sk_msg_verdict
  detach PROG             detach all of its links, and remove their pins
  detach PROG TYPE [MAP]  detach what was attached without a link; TYPE can also be flow_dissector
  pin PROG PATH           pin it
  run PROG                run it once with test data
       data_in FILE         the packet; - is stdin
       data_out FILE        where to write what became of it; - prints it in hexadecimal
       data_size_out N      the size of the buffer for that
       ctx_in, ctx_out, ctx_size_out   the same for the context
       repeat N             run it N times, and print the average duration
  tracelog                the same as 'libbpf-node tracelog'
  tracelog stdout|stderr PROG
                          print what the program has written to its streams since the last time (Linux 6.17)

PROG is an id, 'id ID', 'pinned PATH', 'tag TAG' or 'name NAME'. MAP is an id, 'id ID', 'pinned PATH' or 'name NAME'.

  -j, --json     print JSON
  -f, --bpffs    with list and show: also print where they are pinned
      --opcodes  with dump: print the bytes of each instruction, too

Requires CAP_SYS_ADMIN.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [first, ...rest] = positionals
    if (first === 'profile')
      throw new UsageError("'libbpf-node top' and 'libbpf-node profile' show what programs cost")
    const verb = oneOf('action', verbs, first ?? 'list')
    const words = new Words(rest)
    const form =
      verb === 'dump' ? oneOf('form', forms, words.isEmpty ? undefined : words.next('form')) : undefined
    if (values.opcodes && form === undefined) throw new UsageError('--opcodes can only be used with dump')
    const json = isJson(values)
    switch (verb) {
      case 'list':
      case 'show': {
        const reference = words.isEmpty ? undefined : programIn(words)
        words.end()
        const pins = values.bpffs === true ? pinsOf('program') : undefined
        return verb === 'list' || reference === undefined
          ? list(reference, json, pins)
          : show(reference, json, pins)
      }
      case 'dump': {
        const reference = programIn(words)
        let file: string | undefined
        let opcodes = values.opcodes === true
        while (!words.isEmpty) {
          if (words.skip('file')) file = words.next('FILE')
          else if (words.skip('opcodes')) opcodes = true
          // They are always there.
          else if (!words.skip('linum')) words.end()
        }
        const id = idOfOne('program', reference)
        return file === undefined ? dump(form!, id, json, opcodes) : write(form!, id, file)
      }
      case 'load':
      case 'loadall':
        return load(words, verb === 'loadall')
      case 'attach':
        return attach(words)
      case 'detach':
        return detach(words)
      case 'pin':
        return pin(words)
      case 'run':
        return run(words, json)
      case 'tracelog':
        return tracelog(words, json)
    }
  },
}

type Pins = ReadonlyMap<number, readonly string[]> | undefined

function list(reference: Reference | undefined, json: boolean, pins: Pins): number {
  const found = find('program', reference)
  if (json) printJson(found.map((info) => forJson(info, pins)))
  else {
    print(
      table(
        [right('id'), 'type', 'name', right('bytes'), 'maps', 'held by', ...(pins ? ['pinned'] : [])],
        found.map((info) => [
          info.id,
          info.type,
          info.name,
          info.xlatedSize,
          info.mapIds.join(','),
          holderNames(info.holders),
          ...(pins ? [pins.get(info.id)?.join(' ')] : []),
        ]),
      ),
    )
  }
  return exitCodes.ok
}

function show(reference: Reference, json: boolean, pins: Pins): number {
  const found = find('program', reference)
  // A reference by name or tag can match several.
  if (json)
    printJson(
      reference.by === 'id' || reference.by === 'pinned'
        ? forJson(found[0]!, pins)
        : found.map((info) => forJson(info, pins)),
    )
  else print(found.map((info) => description(info, pins)).join('\n'))
  return exitCodes.ok
}

function description(info: ProgramInfo & Held, pins: Pins): string {
  return listing([
    ['id', info.id],
    ['name', info.name],
    ['type', info.type],
    ['tag', info.tag],
    ['license', info.gplCompatible ? 'GPL compatible' : 'not GPL compatible'],
    [
      'instructions',
      info.xlatedSize > 0
        ? `${info.xlatedSize / 8}, ${info.verifiedInstructions} verified`
        : `hidden from this process, which lacks CAP_BPF; ${info.verifiedInstructions} verified`,
    ],
    ['machine code', info.jitedSize > 0 ? `${info.jitedSize} bytes` : 'none, or hidden from this process'],
    ['loaded', `${loadedAt(info)}, by user ${info.createdByUid}`],
    ['maps', info.mapIds.join(', ')],
    ['BTF', info.btfId || undefined],
    ['interface', info.ifindex || undefined],
    ['runs', runs(info)],
    ['held by', holderNames(info.holders)],
    ['pinned', pins?.get(info.id)?.join(' ')],
  ])
}

/** The kernel counts only while somebody asks it to, and does not say whether somebody does. */
function runs({ runCount, runTimeNs }: ProgramInfo): string {
  if (runCount > 0n) return `${runCount}, ${runTimeNs / runCount} ns each`
  return "0 counted; they are counted while kernel.bpf_stats_enabled is 1 or 'libbpf-node top' runs"
}

const forJson = (info: ProgramInfo, pins: Pins): object => ({
  ...info,
  loadTime: loadedAt(info),
  ...(pins && { pinned: pins.get(info.id) ?? [] }),
})

/** The kernel says how many nanoseconds after booting the program was loaded. */
function loadedAt({ loadTime }: ProgramInfo): string {
  const booted = Date.now() - uptime() * 1000
  return new Date(booted + Number(loadTime / 1_000_000n)).toISOString().replace(/\.\d+Z$/, 'Z')
}

function dump(form: (typeof forms)[number], id: number, json: boolean, opcodes: boolean): number {
  const dumped = dumpProgram(id)
  if (json) printJson(dumped[form === 'xlated' ? 'instructions' : 'jited'])
  else if (form === 'xlated') print(xlated(dumped, opcodes))
  else print(jited(dumped, opcodes))
  return exitCodes.ok
}

/** Writes the bytes themselves, for a disassembler. */
function write(form: (typeof forms)[number], id: number, file: string): number {
  const { instructions, jited } = dumpProgram(id)
  const parts = form === 'xlated' ? instructions : jited
  if (parts.length === 0) throw new Failed('there is nothing, or the kernel hides it from this process')
  writeFileSync(file, Buffer.concat(parts.map(({ bytes }) => bytes)))
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

function jited({ jited }: ProgramDump, opcodes: boolean): string {
  if (jited.length === 0)
    return 'there is no machine code: the JIT is off, or the kernel hides it from this process\n'
  const texts = jited.map((one) => {
    const instructions = disassembleMachineCode(one.bytes, one.address)
    return instructions === undefined ? jitedFunction(one) : disassembled(one, instructions, opcodes)
  })
  return texts.join('\n')
}

const titleOf = ({ name, address, bytes }: JitedFunction): string =>
  `${visible(name) || 'function'}: ${bytes.length} bytes at 0x${address.toString(16)}`

function disassembled(
  one: JitedFunction,
  instructions: readonly MachineInstruction[],
  opcodes: boolean,
): string {
  const text = [titleOf(one)]
  for (const { offset, size, text: words } of instructions) {
    for (const { source } of one.lines.filter((line) => line.offset === offset))
      text.push(`; ${visible(source.text)}`)
    text.push(`${offset.toString(16).padStart(6)}: ${visible(words)}`)
    if (opcodes) text.push(`        ${hex(one.bytes.subarray(offset, offset + size))}`)
  }
  return `${text.join('\n')}\n`
}

/** Bytes per line. */
const lineLength = 16

function jitedFunction(one: JitedFunction): string {
  const { bytes, lines } = one
  const text = [titleOf(one)]
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
