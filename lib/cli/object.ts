import { readFileSync } from 'node:fs'
import { helperNames } from '../asm/helper-names.js'
import type { CoreRelocation } from '../asm/instruction.js'
import { type ObjectFile, type ObjectFunction, readObject } from '../asm/object-reader.js'
import type { BtfTypes } from '../btf/parse.js'
import { mapTypesSince, programTypesSince } from '../features/since.js'
import { capabilitiesFor } from '../machine/capabilities.js'
import { mapTypes } from '../native/map-types.js'
import type { ProgramType } from '../native/type-names.js'
import { BpfObject } from '../objects/object.js'
import { type Command, exitCodes, Failed, UsageError } from './command.js'
import { expectNoMore, listing, parseOptions, print, printJson, right, table } from './output.js'

export const command: Command = {
  usage: '[--json] FILE',
  summary: 'Show what is in a BPF object file, without loading it',
  help: `Shows the programs of FILE with their sections and source lines, its maps, global variables and externs, the kernel
types that it reads with CO-RE, and what it requires at least: the kernel by the types of its programs and maps, and
the capabilities. FILE can come from clang, rustc, bpftool or this package, for any byte order.

      --json  print JSON, also with the helpers that each program calls and all CO-RE accesses

It requires no privileges.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, { json: { type: 'boolean' } })
    const [file, ...rest] = positionals
    if (file === undefined) throw new UsageError('FILE missing')
    expectNoMore(rest)
    const shown = describe(file)
    if (values.json === true) printJson(shown)
    else print(toText(shown))
    return exitCodes.ok
  },
}

function read(file: string): ObjectFile {
  const bytes = readFileSync(file)
  try {
    return readObject(bytes)
  } catch (error) {
    throw new Failed(`'${file}': ${(error as Error).message}`)
  }
}

function describe(file: string) {
  const object = read(file)
  const { btf, license, maps, variables, externs, elf } = object
  const types = programTypesOf(file)
  const known = [...types.values()].filter((type) => type !== 'unspec')
  const versions = [
    ...known.map((type) => programTypesSince[type]),
    ...maps.map(({ type }) => mapTypesSince[mapTypes[type] as keyof typeof mapTypesSince]),
  ].filter((version) => version !== undefined)
  return {
    file,
    license,
    byteOrder: elf.littleEndian ? 'little' : 'big',
    types: btf?.typeCount ?? 0,
    requires: {
      kernel: versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1),
      capabilities:
        known.length > 0
          ? capabilitiesFor(
              known,
              maps.map(({ type }) => mapTypes[type] ?? ''),
            )
          : undefined,
    },
    programs: object.functions
      .filter(({ isProgram }) => isProgram)
      .map((program) => ({ type: types.get(program.name), ...describeFunction(program, btf) })),
    functions: object.functions
      .filter(({ isProgram }) => !isProgram)
      .map((fn) => ({ linkage: fn.linkage, ...describeFunction(fn, btf) })),
    maps: maps.map(({ name, type, keySize, valueSize, keyTypeId, valueTypeId, maxEntries, flags }) => ({
      name,
      type: mapTypes[type] ?? String(type),
      key: keyTypeId === 0 || !btf ? undefined : typeName(btf, keyTypeId),
      keySize,
      value: valueTypeId === 0 || !btf ? undefined : typeName(btf, valueTypeId),
      valueSize,
      maxEntries,
      flags,
    })),
    globals: variables.map(({ name, section, size, typeId }) => ({
      name,
      section,
      type: typeName(btf!, typeId),
      size,
    })),
    externs: externs.map(({ name, kind, weak, typeId }) => ({
      name,
      kind,
      weak,
      type: kind === 'kfunc' ? 'function' : typeName(btf!, typeId),
    })),
  }
}
type Description = ReturnType<typeof describe>

/** The types that libbpf derives from the sections; none for an object that it cannot open. */
function programTypesOf(file: string): Map<string, ProgramType> {
  try {
    using object = BpfObject.open(file)
    return new Map([...object.programs.values()].map(({ name, type }) => [name, type]))
  } catch {
    return new Map()
  }
}

function describeFunction({ name, section, instructions }: ObjectFunction, btf: BtfTypes | undefined) {
  const first = instructions.find(({ line }) => line !== undefined)?.line
  const helpers = instructions
    .filter(({ code, src, symbol }) => code === 0x85 && src === 0 && symbol === undefined)
    .map(({ imm }) => helperNames[Number(imm)] ?? String(imm))
  return {
    name,
    section,
    instructions: instructions.length,
    source: first && { file: first.file, line: first.line },
    helpers: [...new Set(helpers)],
    core: btf === undefined ? [] : accessesOf(instructions, btf),
  }
}

function accessesOf(instructions: ObjectFunction['instructions'], btf: BtfTypes) {
  const accesses = instructions.flatMap(({ core, line }) =>
    core === undefined ? [] : [{ ...accessOf(core, btf), line: line?.line }],
  )
  const seen = new Set<string>()
  return accesses.filter(({ what, kind }) => {
    const key = `${kind} ${what}`
    return !seen.has(key) && seen.add(key)
  })
}

/** `enum bpf_core_relo_kind` of linux/bpf.h. */
const kinds = [
  'offset',
  'size',
  'exists',
  'signedness',
  'bitfield',
  'bitfield',
  'local type id',
  'type id',
  'type exists',
  'type size',
  'enum value exists',
  'enum value',
  'type matches',
]

function accessOf({ type, access, kind }: CoreRelocation, btf: BtfTypes): { what: string; kind: string } {
  if (typeof type !== 'number') return { what: access, kind: String(kind) }
  const root = typeName(btf, type)
  const path = access.split(':').map(Number)
  const name = kinds[kind] ?? String(kind)
  if (kind >= 6 && kind !== 10 && kind !== 11) return { what: root, kind: name }
  let current = btf.resolve(type)
  if (current.kind === 'enum' || current.kind === 'enum64')
    return { what: current.values[path[0]!]?.name ?? access, kind: name }
  let what = root
  for (const index of path.slice(1)) {
    if (current.kind === 'array') {
      what += `[${index}]`
      current = btf.resolve(current.typeId)
    } else if (current.kind === 'struct' || current.kind === 'union') {
      const member = current.members[index]
      if (member === undefined) break
      if (member.name !== '') what += `.${member.name}`
      current = btf.resolve(member.typeId)
    }
  }
  return { what, kind: name }
}

/** A type as C writes it, without what a name would be in the middle of. */
function typeName(btf: BtfTypes, id: number): string {
  const type = btf.type(id)
  switch (type.kind) {
    case 'struct':
    case 'union':
      return type.name === '' ? type.kind : `${type.kind} ${type.name}`
    case 'enum':
    case 'enum64':
      return type.name === '' ? 'enum' : `enum ${type.name}`
    case 'fwd':
      return `${type.of} ${type.name}`
    case 'ptr':
      return `${typeName(btf, type.typeId)} *`
    case 'array':
      return `${typeName(btf, type.typeId)}[${type.length}]`
    case 'const':
    case 'volatile':
    case 'restrict':
      return `${type.kind} ${typeName(btf, type.typeId)}`
    case 'type_tag':
      return typeName(btf, type.typeId)
    case 'func_proto':
      return 'function'
    default:
      return type.name || type.kind
  }
}

function toText(object: Description): string {
  const { file, license, byteOrder, types, requires, programs, functions, maps, globals, externs } = object
  const { kernel, capabilities = [] } = requires
  const blocks = [
    listing([
      ['file', file],
      ['license', license ?? 'none'],
      ['byte order', byteOrder],
      ['BTF types', types],
      ['requires at least', [kernel && `Linux ${kernel}`, ...capabilities].filter(Boolean).join(', ')],
    ]),
  ]
  const place = (source: { file: string; line: number } | undefined): string =>
    source === undefined ? '' : `${source.file}:${source.line}`
  const code = [...programs, ...functions]
  const sections: Parameters<typeof table>[] = [
    [
      ['program', 'section', 'type', right('insns'), 'source'],
      programs.map((p) => [p.name, p.section, p.type, p.instructions, place(p.source)]),
    ],
    [
      ['function', 'linkage', right('insns'), 'source'],
      functions.map((f) => [f.name, f.linkage, f.instructions, place(f.source)]),
    ],
    [
      ['map', 'type', 'key', 'value', right('entries')],
      maps.map((m) => [
        m.name,
        m.type,
        m.key ?? sizeText(m.keySize),
        m.value ?? sizeText(m.valueSize),
        m.maxEntries,
      ]),
    ],
    [
      ['variable', 'section', right('bytes'), 'type'],
      globals.map((g) => [g.name, g.section, g.size, g.type]),
    ],
    [['extern', 'kind', 'type'], externs.map((e) => [e.name, `${e.weak ? 'weak ' : ''}${e.kind}`, e.type])],
    [
      ['CO-RE access', 'kind', 'in', right('line')],
      code.flatMap((fn) => fn.core.map((c) => [c.what, c.kind, fn.name, c.line])),
    ],
  ]
  for (const [head, rows] of sections) if (rows.length > 0) blocks.push(table(head, rows))
  return blocks.join('\n')
}

const sizeText = (bytes: number): string => (bytes === 0 ? '' : `${bytes} bytes`)
