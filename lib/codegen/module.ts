import { cType } from '../btf/c-type.js'
import type { BtfTypes } from '../btf/parse.js'
import { Planner, type RecordPlan } from '../btf/plan.js'
import type { BtfDatasec } from '../btf/types.js'
import type { BpfMap } from '../maps/map.js'
import { BPF_F_STACK_BUILD_ID } from '../maps/stack-codec.js'
import { arenaVariables } from '../objects/arena.js'
import { BpfObject } from '../objects/object.js'
import { isFunction } from '../objects/struct-ops.js'
import { CodecWriter } from './codecs.js'
import type { Comments } from './comments.js'
import { doc, inComment, literal, Names, pascal, property } from './names.js'
import { CodecTables, type ModuleObjects, objectSource, sizes } from './objects.js'
import { GenerateError, recordTypes } from './records.js'
import { DeclTags } from './tags.js'
import { bytes, TypeWriter } from './types.js'

/** What a module is generated from. */
export interface ModuleInput {
  readonly objects: ModuleObjects
  /** The object's name, such as `exec`. Without `className`, the class is named after it. */
  readonly name: string
  readonly className?: string | undefined
  /** The files that the object was made from, for the comment at the top. */
  readonly sources: readonly string[]
  /** The comments in those files. */
  readonly comments: Comments
  /** The C types of records, by the name of the map that carries them. */
  readonly records: ReadonlyMap<string, string>
  /** More C types to generate. */
  readonly types: readonly string[]
  /** Whether the objects are in files next to the generated one. Otherwise the code contains them. */
  readonly external: boolean
  /** Whether the code will be a CommonJS module, which has no `import.meta`. */
  readonly isCommonJs: boolean
}

/**
 * Names that a generated class cannot use for its own members: those of every object, and names with a meaning in
 * JavaScript.
 */
const memberNames = [
  ...Object.getOwnPropertyNames(BpfObject.prototype),
  ...Object.getOwnPropertyNames(Object.prototype),
  ...['name', 'programs', 'maps'],
  // `await object` would call `then`, and JSON.stringify would call `toJSON`.
  ...['then', 'toJSON'],
]

const readers: Readonly<Record<string, [type: string, method: string, options: string | undefined]>> = {
  ringbuf: ['RingBuffer', 'ringBuffer', 'RingBufferOptions'],
  perf_event_array: ['PerfBuffer', 'perfBuffer', 'PerfBufferOptions'],
  user_ringbuf: ['UserRingBuffer', 'userRingBuffer', undefined],
}

/**
 * Writes the TypeScript module for an object. The same input gives the same text.
 *
 * @throws GenerateError if the objects for several machines need different code
 */
export function generateModule(input: ModuleInput): string {
  const [first, ...others] = [...input.objects].map(([arch, object]) => ({ arch, object }))
  using main = BpfObject.open(first!.object, { name: input.name })
  const writer = new ModuleWriter(main, input)
  const body = writer.body()
  const tables = new CodecTables(writer.codecs)
  for (const { arch, object } of others) {
    using opened = BpfObject.open(object, { name: input.name })
    const other = new ModuleWriter(opened, input)
    const line = difference(body, other.body())
    if (line !== undefined) {
      throw new GenerateError(
        `the objects for ${first!.arch} and ${arch} need different code, so they cannot share a class: generate a module for each. Only one of them has: ${line}`,
      )
    }
    tables.add(arch!, other.codecs)
  }
  const { isCommonJs, external } = input
  const rest = [
    body,
    ...tables.source(),
    objectSource(input.objects, external ? input.name : undefined, isCommonJs),
  ]
  return writer.module(rest.join('\n'))
}

/** A line that only one of two texts has, without comments. */
function difference(a: string, b: string): string | undefined {
  if (a === b) return undefined
  const [left, right] = [a, b].map((text) => text.replaceAll(/\/\*\*[\s\S]*?\*\//g, '').split('\n'))
  const extra = left!.find((line) => !right!.includes(line)) ?? right!.find((line) => !left!.includes(line))
  return extra?.trim() ?? 'the order of the members'
}

class ModuleWriter {
  readonly #object: BpfObject
  readonly #input: ModuleInput
  readonly #btf: BtfTypes
  readonly #className: string
  readonly #names = new Names()
  /** The names of the class's members. */
  readonly #members = new Names(memberNames)
  /** The types that the module imports from libbpf-node. */
  readonly #imports = new Set<string>()
  readonly #tags: DeclTags
  readonly #types: TypeWriter
  readonly #codecs: CodecWriter
  readonly #records: ReadonlyMap<string, string>

  constructor(object: BpfObject, input: ModuleInput) {
    this.#object = object
    this.#input = input
    this.#btf = object.types
    const wanted = input.className ?? pascal(input.name)
    this.#className = this.#names.take(wanted, `${wanted}Object`)
    if (input.className !== undefined && this.#className !== wanted) {
      throw new GenerateError(
        `a class named ${wanted} would hide a name that generated code needs: choose another one with --name`,
      )
    }
    this.#names.take(`${this.#className}Shape`)
    this.#tags = new DeclTags(this.#btf)
    this.#types = new TypeWriter(this.#btf, this.#names, this.#tags, input.comments)
    this.#codecs = new CodecWriter(this.#btf, this.#types)
    this.#records = recordTypes(object, this.#tags, input.records)
  }

  get codecs(): CodecWriter {
    return this.#codecs
  }

  /** Everything but the codecs and the object: what is the same for all machines. */
  body(): string {
    // The shape and the class determine which types and codecs are needed, so they come first.
    const shape = this.#shape()
    const readers = this.#readers()
    const sections = this.#sectionGetters()
    this.#mentioned()
    return [shape, this.#class([...readers, ...sections]), ...this.#types.declarations].join('\n')
  }

  /** @param body - everything between the imports and the end of the file */
  module(body: string): string {
    if (this.#codecs.hasExports) this.#imports.add('Codec')
    const imported = [...this.#imports].sort()
    return `${this.#head(body)}
${imported.length === 0 ? '' : `import type { ${imported.join(', ')} } from 'libbpf-node'\n`}import * as rt from 'libbpf-node/skeleton'

${body}`
  }

  #head(body: string): string {
    const sources = this.#input.sources.map(inComment).join(', ')
    return `// Generated by libbpf-node gen from ${sources}. Do not edit this file: change the source and run the command again.
// biome-ignore-all format: generated
${/^ +"then":/m.test(body) ? '// biome-ignore-all lint/suspicious/noThenProperty: the name comes from C\n' : ''}${/(value|this)\["/.test(body) ? '// biome-ignore-all lint/complexity/useLiteralKeys: noPropertyAccessFromIndexSignature requires them\n' : ''}/* eslint-disable */
`
  }

  // ---- Shape

  #shape(): string {
    const programs = [...this.#object.programs.keys()].map(literal).join(' | ') || 'never'
    const parts = [
      `  programs: ${programs}\n`,
      this.#maps(),
      this.#recordTypes(),
      ...this.#sections(),
      this.#arena(),
      this.#structOps(),
    ]
    return `${doc([`The contents of the object, for the type checker. \`BpfObject.open<${this.#className}Shape>(path)\` uses it without the class in this file.`])}export type ${this.#className}Shape = {\n${parts.join('')}}\n`
  }

  #maps(): string {
    const lines: string[] = []
    for (const [name, map] of this.#object.maps) {
      if (map.isInternal) continue
      const refusals = [map.btfKeyTypeId, map.btfValueTypeId].map((id) => this.#codecs.refusal(id) ?? '')
      const words = [...this.#variableWords(name), describeMap(this.#btf, map), ...refusals]
      lines.push(`${doc(words, '    ')}    ${property(name)}: ${this.#mapType(map, name)}\n`)
    }
    return member('maps', lines)
  }

  /** The type of a map, as BpfMap behaves at run time. */
  #mapType(map: BpfMap<unknown, unknown>, name: string): string {
    this.#imports.add('BpfMap')
    const key = this.#element(map, name, 'key')
    switch (map.type) {
      case 'array_of_maps':
      case 'hash_of_maps': {
        const { innerMap } = map
        const inner = innerMap === undefined ? 'BpfMap' : this.#mapType(innerMap, `${name}_inner`)
        return `BpfMap<${key}, ${inner}, BpfMap<unknown, unknown> | number>`
      }
      case 'prog_array':
        this.#imports.add('Program')
        return `BpfMap<${key}, number, Program | number>`
      case 'stack_trace':
        if ((map.flags & BPF_F_STACK_BUILD_ID) !== 0) break
        return 'BpfMap<number, bigint[]>'
    }
    return `BpfMap<${key}, ${this.#element(map, name, 'value')}>`
  }

  /** The type of a map's keys or values. */
  #element(map: BpfMap<unknown, unknown>, name: string, what: 'key' | 'value'): string {
    const isKey = what === 'key'
    const size = isKey ? map.keySize : map.valueSize
    const typeId = isKey ? map.btfKeyTypeId : map.btfValueTypeId
    if (isKey && size === 0) return 'undefined'
    // The kernel's struct has other members than the one in the object.
    if (map.type === 'struct_ops') return 'Uint8Array'
    if (typeId === 0) return 'Uint8Array'
    // Reading such an element throws; the comment of the map says why.
    if (this.#codecs.refusal(typeId) !== undefined) return 'never'
    if (this.#btf.sizeOf(typeId) !== size) return 'Uint8Array'
    const type = this.#codecs.add(typeId, `${name}_${what}`)
    return isKey || !map.type.includes('percpu') ? type : `${type}[]`
  }

  #recordTypes(): string {
    const lines = [...this.#records].map(([map, type]) => {
      const id = this.#typeId(type)
      return `    ${property(map)}: ${this.#codecs.add(id, `${map}_record`)}\n`
    })
    return member('records', lines)
  }

  #typeId(name: string): number {
    return this.#object.codec(name).typeId
  }

  /** The sections of global variables, by name. */
  get #datasecs(): Map<string, BtfDatasec> {
    const found = new Map<string, BtfDatasec>()
    for (const map of this.#object.maps.values()) {
      if (!map.isInternal || map.btfValueTypeId === 0) continue
      const type = this.#btf.resolve(map.btfValueTypeId)
      // The section with what libbpf_node_log knows about places in the source is only for logTo.
      if (type.kind === 'datasec' && type.name !== '.rodata.node_logs') found.set(type.name, type)
    }
    return found
  }

  #sections(): string[] {
    const own: string[] = []
    const others: string[] = []
    for (const [name, section] of this.#datasecs) {
      const isOwn = ['.rodata', '.data', '.bss', '.kconfig'].includes(name)
      const indent = isOwn ? '    ' : '      '
      const readonly = name === '.kconfig' ? 'readonly ' : ''
      const lines = this.#variables(section).map(
        ({ name, type, words }) => `${doc(words, indent)}${indent}${readonly}${property(name)}: ${type}\n`,
      )
      if (isOwn) own.push(`  ${name.slice(1)}: {\n${lines.join('')}  }\n`)
      else others.push(`    ${literal(name)}: {\n${lines.join('')}    }\n`)
    }
    return others.length === 0 ? own : [...own, `  sections: {\n${others.join('')}  }\n`]
  }

  /** What is in the arena. */
  #arena(): string {
    const arena = [...this.#object.maps.values()].find(({ type }) => type === 'arena')
    const { variables, root } = arenaVariables(this.#btf, arena?.name ?? '')
    if (arena === undefined || variables.length === 0) return ''
    const planner = new Planner(this.#btf, false, true)
    const typeOf = (id: number, place: string): string => this.#types.typeOf(id, planner.plan(id), place)
    if (root !== undefined) return `  arena: ${typeOf(root.typeId, arena.name)}\n`
    const lines = variables.map(({ name, id, typeId }) => {
      const words = [...this.#words(name, id), cType(this.#btf, typeId)]
      return `${doc(words, '    ')}    ${property(name)}: ${typeOf(typeId, name)}\n`
    })
    return member('arena', lines)
  }

  #variables(section: BtfDatasec): { name: string; type: string; words: string[] }[] {
    const found = new Map<string, { name: string; type: string; words: string[] }>()
    for (const { typeId: variableId } of section.variables) {
      const variable = this.#btf.type(variableId)
      // Two functions can each have a static variable with this name. Only the first is accessible.
      if (variable.kind !== 'var' || found.has(variable.name)) continue
      const { name, typeId } = variable
      const refusal = this.#codecs.refusal(variableId)
      const type =
        refusal === undefined ? this.#types.typeOf(typeId, this.#codecs.plan(typeId), name) : 'never'
      const words = [...this.#words(name, variableId), cType(this.#btf, typeId), refusal ?? '']
      found.set(name, { name, type, words })
    }
    return [...found.values()]
  }

  #structOps(): string {
    const maps: string[] = []
    for (const [name, map] of this.#object.maps) {
      if (map.type !== 'struct_ops') continue
      const type = this.#btf.resolve(map.btfValueTypeId)
      const { fields } = this.#codecs.plan(type.id) as RecordPlan
      const members = type.kind === 'struct' ? type.members : []
      const ids = new Map(members.map((member) => [member.name, member.typeId]))
      const lines = fields.map((field) => {
        const id = ids.get(field.name) ?? 0
        const value = isFunction(this.#btf, id)
          ? this.#programOrNone()
          : this.#types.typeOf(id, field.plan, `${name}_${field.name}`)
        return `${doc([cType(this.#btf, id)], '      ')}      ${property(field.name)}: ${value}\n`
      })
      const words = [...this.#variableWords(name), `${cType(this.#btf, type.id)}. Change it before load.`]
      maps.push(`${doc(words, '    ')}    readonly ${property(name)}: {\n${lines.join('')}    }\n`)
    }
    return maps.length === 0 ? '' : member('structOps', maps)
  }

  #programOrNone(): string {
    this.#imports.add('Program')
    return 'Program | undefined'
  }

  #variableWords(name: string): string[] {
    const variable = this.#btf.find(name, 'var')
    return variable === undefined ? [] : this.#words(name, variable.id)
  }

  #words(name: string, id: number): string[] {
    return this.#tags.words(id, -1, this.#input.comments.globals.get(name))
  }

  /**
   * Adds types that nothing else needs: those from --type, and those that a global pointer refers to, which is how C
   * code keeps a type in BTF.
   */
  #mentioned(): void {
    for (const type of this.#input.types) this.#codecs.add(this.#typeId(type), type)
    for (const section of this.#datasecs.values()) {
      for (const { typeId } of section.variables) {
        const pointer = this.#btf.resolve(typeId)
        const type = pointer.kind === 'var' ? this.#btf.resolve(pointer.typeId) : pointer
        if (type.kind !== 'ptr') continue
        const target = this.#btf.resolve(type.typeId)
        if (target.kind !== 'struct' && target.kind !== 'union') continue
        // Larger structs belong to the kernel, like task_struct. They are generated only on request.
        const isWanted = target.name !== '' && target.size <= 4096
        if (isWanted && this.#codecs.refusal(target.id) === undefined)
          this.#codecs.add(target.id, target.name)
      }
    }
  }

  // ---- Class

  #class(parts: string[]): string {
    const events = this.#events()
    const definition = [
      `name: ${literal(this.#input.name)}`,
      'object',
      this.#input.objects.size === 1 ? 'codecs' : 'codecs: rt.codecsFor(codecs, typeIds)',
      ...(events?.record === undefined ? [] : [`events: ${literal(events.record)}`]),
    ]
    const programs = [...this.#object.programs.values()].map(
      (program) => `- \`${program.name}\`: SEC("${program.section}")${this.#programWords(program.name)}`,
    )
    const comment = doc([
      `${this.#input.name}.bpf.o: ${sizes(this.#input.objects)}. Its programs:`,
      ...programs,
    ])
    const name = this.#className
    // Records are only written to a map `events` here, so it is not one to read from.
    const record = events?.type ?? (this.#records.has('events') ? 'never' : undefined)
    const types = record === undefined ? `${name}Shape` : `${name}Shape, ${record}`
    // isolatedDeclarations requires a base with a name and an explicit type.
    const base = `const base: rt.SkeletonClass<${types}> = rt.skeleton<${types}>(() => ({ ${definition.join(', ')} }))\n`
    return `${base}\n${comment}export class ${name} extends base {${parts.join('')}}\n`
  }

  #programWords(name: string): string {
    const func = this.#btf.find(name, 'func')
    const words = func === undefined ? [] : this.#words(name, func.id)
    return words.length === 0 ? '' : `. ${words.join(' ')}`
  }

  /** The map `events`, if it has records to read: the method `events` of every object then needs no name. */
  #events(): { record: string | undefined; type: string } | undefined {
    const map = this.#object.maps.get('events')
    if (map?.type !== 'ringbuf' && map?.type !== 'perf_event_array') return undefined
    const record = this.#records.get('events')
    return {
      record,
      type: record === undefined ? 'Uint8Array' : `${this.#className}Shape['records']['events']`,
    }
  }

  /** A method for each map with records, which reads or writes them. */
  #readers(): string[] {
    const methods: string[] = []
    const maps = [...this.#object.maps].filter(
      ([name, map]) =>
        readers[map.type] !== undefined &&
        // logTo reads this one.
        name !== 'node_logs' &&
        (name !== 'events' || this.#events() === undefined),
    )
    const names = this.#memberNames(maps.map(([name]) => name))
    for (const [i, [name, map]] of maps.entries()) {
      const reader = readers[map.type]!
      const type = this.#records.get(name)
      const isEither = this.#object.maps.has(`${name}_heap`) && map.type === 'ringbuf'
      const [result, method, options] = isEither ? ['EventReader', 'events', 'EventReaderOptions'] : reader
      const record = type === undefined ? 'Uint8Array' : this.#codecs.add(this.#typeId(type), name)
      const what = method === 'userRingBuffer' ? 'Writes to' : 'Reads'
      this.#imports.add(result)
      if (options !== undefined) this.#imports.add(options)
      const parameter = options === undefined ? '' : `options?: ${options}`
      const typeArgument = type === undefined ? 'undefined' : literal(type)
      const call = [
        literal(name),
        ...(options !== undefined ? [typeArgument, 'options'] : type === undefined ? [] : [typeArgument]),
      ]
      methods.push(
        `\n${doc([`${what} \`${name}\`, a map of type ${map.type}${type === undefined ? ', as bytes: the type of its records is unknown' : `, with records of type ${type}`}.`], '  ')}  ${property(names[i]!)}(${parameter}): ${result}<${record}> {\n    return this.${method}(${call.join(', ')})\n  }\n`,
      )
    }
    return methods
  }

  /** A property for each section that not every object has. */
  #sectionGetters(): string[] {
    const others = [...this.#datasecs.keys()].filter(
      (name) => !['.rodata', '.data', '.bss', '.kconfig'].includes(name),
    )
    const names = this.#memberNames(others.map((name) => name.replace(/^\./, '').replaceAll('.', '_')))
    return others.map((name, i) => {
      const getter = names[i]!
      return `\n${doc([`The variables of ${name}.`], '  ')}  get ${property(getter)}(): ${this.#className}Shape['sections'][${literal(name)}] {\n    return this.globals(${literal(name)})\n  }\n`
    })
  }

  /**
   * Chooses names for members of the class. A name that is taken gets `_` or a number at its end; names that are free
   * are assigned first, so that they stay as they are.
   */
  #memberNames(wanted: readonly string[]): string[] {
    const chosen = [...wanted]
    const isFree = (name: string): boolean => !memberNames.includes(name)
    for (const first of [true, false]) {
      for (const [i, name] of wanted.entries()) {
        if (isFree(name) === first) chosen[i] = this.#members.take(name, `${name}_`)
      }
    }
    return chosen
  }
}

/** A member of the shape. If it has no entries, its type says so. */
function member(name: string, lines: readonly string[]): string {
  return `  ${name}: ${lines.length === 0 ? 'Record<never, never>' : `{\n${lines.join('')}  }`}\n`
}

function describeMap(btf: BtfTypes, map: BpfMap<unknown, unknown>): string {
  const { type, maxEntries, keySize, valueSize } = map
  const isRing = type === 'ringbuf' || type === 'user_ringbuf'
  const size = isRing
    ? bytes(maxEntries)
    : `${maxEntries} ${type !== 'arena' ? 'entries' : maxEntries === 1 ? 'page' : 'pages'}`
  const named = (id: number, size: number) => (id === 0 ? bytes(size) : cType(btf, id))
  const key = keySize === 0 ? '' : `${named(map.btfKeyTypeId, keySize)} to `
  const types = keySize === 0 && valueSize === 0 ? '' : `: ${key}${named(map.btfValueTypeId, valueSize)}`
  return `${type}${maxEntries === 0 ? '' : `, ${size}`}${types}`
}
