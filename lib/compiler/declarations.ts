// Declares the kernel's hooks and structs for tsc and editors, from BTF.
import type { BtfFuncProto, BtfMember } from '../btf/types.js'
import { functionBehind, opsRecord, structOpsNames } from './hooks/struct-ops.js'
import { isOptional, iteratorNames } from './kernel-iterators.js'
import type { KernelRecord, KernelTypes } from './kernel-types.js'
import { isContext, isSize } from './kfuncs.js'
import type { ModuleProgram } from './module.js'

/** The interfaces of language/kernel.ts that hooks are added to. */
const hookKinds = [
  'Tracepoints',
  'WritableTracepoints',
  'TracepointRecords',
  'KernelFunctions',
  'LsmHooks',
  'Iterators',
  'Kfuncs',
  'KernelIterators',
  'StructOps',
] as const
type HookKind = (typeof hookKinds)[number]

/** The interface that has the names that a hook takes. Other hooks have no names in BTF. */
const kindOf: Readonly<Record<string, HookKind>> = {
  rawTp: 'Tracepoints',
  rawTpWritable: 'WritableTracepoints',
  tpBtf: 'Tracepoints',
  tracepoint: 'TracepointRecords',
  fentry: 'KernelFunctions',
  fexit: 'KernelFunctions',
  fsession: 'KernelFunctions',
  fsessionSleepable: 'KernelFunctions',
  fmodRet: 'KernelFunctions',
  kprobe: 'KernelFunctions',
  kretprobe: 'KernelFunctions',
  fmodRetSleepable: 'KernelFunctions',
  fentrySleepable: 'KernelFunctions',
  fexitSleepable: 'KernelFunctions',
  lsm: 'LsmHooks',
  lsmSleepable: 'LsmHooks',
  lsmCgroup: 'LsmHooks',
  iter: 'Iterators',
  iterSleepable: 'Iterators',
}

/** How many pointers away from hooks, and from what programs read, structs are declared. */
const reach = 2

/**
 * Declares the hooks that programs use, with the structs of their arguments and those near them.
 *
 * @param kernel - also declares the structs that were read through it
 */
export function declareUsed(kernel: KernelTypes, programs: readonly ModuleProgram[]): string {
  const declarations = new Declarations(kernel, reach)
  for (const { hook, target, ops } of programs) {
    if (ops !== undefined) declarations.hook('StructOps', ops.struct)
    const kind = kindOf[hook]
    if (kind !== undefined && target !== undefined) declarations.hook(kind, target.name)
  }
  for (const name of kernel.named.kfuncs) declarations.hook('Kfuncs', name)
  for (const name of kernel.named.iterators) declarations.hook('KernelIterators', name)
  for (const record of kernel.recordsRead()) declarations.record(record)
  return declarations.text('')
}

/** Declares all hooks and structs of a kernel. */
export function declareAll(kernel: KernelTypes): string {
  const declarations = new Declarations(kernel, Number.POSITIVE_INFINITY)
  const { btf } = kernel
  for (const name of kernel.tracepointNames()) {
    declarations.hook('Tracepoints', name)
    declarations.hook('WritableTracepoints', name)
  }
  for (const name of kernel.kfuncNames() ?? []) declarations.hook('Kfuncs', name)
  for (const name of iteratorNames(kernel)) declarations.hook('KernelIterators', name)
  for (const name of btf.names('func')) {
    if (name.startsWith('bpf_lsm_')) declarations.hook('LsmHooks', name.slice(8))
    else if (name.startsWith('bpf_iter_')) declarations.hook('Iterators', name.slice(9))
    else declarations.hook('KernelFunctions', name)
  }
  for (const name of structOpsNames(kernel)) declarations.hook('StructOps', name)
  for (const type of btf) {
    if ((type.kind !== 'struct' && type.kind !== 'union') || type.name === '') continue
    declarations.record(type)
    if (type.name.startsWith(recordPrefix)) declarations.recordedTracepoints(type)
  }
  return declarations.text('  interface Declared {\n    all: true\n  }\n')
}

/** The prefix of the event's name in the name of the struct that a tracepoint records. */
const recordPrefix = 'trace_event_raw_'

/** Words that cannot be the name of an interface. */
const reserved = new Set(
  [
    'any as bigint boolean break case catch class const continue debugger declare default delete do else enum export',
    'extends false finally for function if implements import in instanceof interface let never new null number object',
    'package private protected public return static string super switch symbol this throw true try type typeof',
    'undefined unknown var void while with yield',
  ].flatMap((line) => line.split(' ')),
)

const isIdentifier = (name: string): boolean => /^[A-Za-z_$][\w$]*$/.test(name)

class Declarations {
  readonly #kernel: KernelTypes
  readonly #reach: number
  readonly #hooks: Record<HookKind, Map<string, () => string>> = {
    Tracepoints: new Map(),
    WritableTracepoints: new Map(),
    TracepointRecords: new Map(),
    KernelFunctions: new Map(),
    LsmHooks: new Map(),
    Iterators: new Map(),
    Kfuncs: new Map(),
    KernelIterators: new Map(),
    StructOps: new Map(),
  }
  /** How many pointers away each declared record is. */
  readonly #distance = new Map<number, number>()
  /** The words of the language that the declarations use. */
  readonly #words = new Set<string>()

  constructor(kernel: KernelTypes, reach: number) {
    this.#kernel = kernel
    this.#reach = reach
  }

  record(record: KernelRecord, distance = 0): void {
    const todo: [record: KernelRecord, distance: number][] = [[record, distance]]
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      const [one, far] = next
      if ((this.#distance.get(one.id) ?? Number.POSITIVE_INFINITY) <= far || far > this.#reach) continue
      this.#distance.set(one.id, far)
      for (const { typeId } of one.members) {
        const found = this.#recordIn(typeId)
        if (found !== undefined) todo.push([found.record, far + found.pointers])
      }
    }
  }

  /** The record that a type leads to, through arrays and at most one pointer. */
  #recordIn(typeId: number): { record: KernelRecord; pointers: 0 | 1 } | undefined {
    let pointers: 0 | 1 = 0
    for (let type = this.#kernel.btf.resolve(typeId); ; type = this.#kernel.btf.resolve(type.typeId)) {
      if (type.kind === 'struct' || type.kind === 'union') return { record: type, pointers }
      if (type.kind === 'ptr' && pointers === 0) pointers = 1
      else if (type.kind !== 'array' || pointers === 1) return undefined
    }
  }

  /** Declares a hook, unless the kernel does not have it. */
  hook(kind: HookKind, name: string): void {
    const text = this.#hookText(kind, name)
    if (text !== undefined) this.#hooks[kind].set(name, text)
  }

  #hookText(kind: HookKind, name: string): (() => string) | undefined {
    switch (kind) {
      case 'Tracepoints': {
        const prototype = this.#kernel.tracepoint(name)
        return prototype && this.#parameters(prototype)
      }
      case 'WritableTracepoints':
        return this.#writableTracepoint(name)
      case 'TracepointRecords':
        return this.#named(this.#kernel.tracepointRecord(name))
      case 'Kfuncs': {
        const prototype = this.#kernel.function(name)
        return prototype && this.#kfunc(prototype)
      }
      case 'KernelIterators':
        return this.#iterator(name)
      case 'StructOps':
        return this.#structOps(name)
      case 'Iterators':
        return this.#named(this.#kernel.record(`bpf_iter__${name}`))
      default: {
        const prototype = this.#kernel.function(kind === 'LsmHooks' ? `bpf_lsm_${name}` : name)
        if (prototype === undefined) return undefined
        const parameters = this.#parameters(prototype)
        this.#reached(prototype.returnTypeId)
        return () => `{ arguments: ${parameters()}; result: ${this.#type(prototype.returnTypeId)} }`
      }
    }
  }

  /** The tracepoints of a record, in any category: BTF has no categories. */
  recordedTracepoints(record: KernelRecord): void {
    const event = record.name.slice(recordPrefix.length)
    const isSystemCall = event === 'sys_enter' || event === 'sys_exit'
    const names = isSystemCall ? `syscalls/${event}_\${string}` : `\${string}/${event}`
    this.#hooks.TracepointRecords.set(`[name: \`${names}\`]`, () => this.#nameOf(record))
  }

  #named(record: KernelRecord | undefined): (() => string) | undefined {
    if (record === undefined) return undefined
    this.record(record)
    return () => this.#nameOf(record)
  }

  #parameters({ params }: BtfFuncProto): () => string {
    for (const { typeId } of params) this.#reached(typeId)
    return () => {
      const parts = params.map(({ name, typeId }, i) => `${tupleName(name, i)}: ${this.#passed(typeId)}`)
      return `[${parts.join(', ')}]`
    }
  }

  /** BTF does not tell which tracepoints let programs write, so all that could are declared. */
  #writableTracepoint(name: string): (() => string) | undefined {
    const { btf } = this.#kernel
    const prototype = this.#kernel.tracepoint(name)
    const [first, ...rest] = prototype?.params ?? []
    const pointer = first && btf.resolve(first.typeId)
    const to = pointer?.kind === 'ptr' ? btf.resolve(pointer.typeId) : undefined
    if (prototype === undefined || first === undefined || to === undefined) return undefined
    const record = to.kind === 'struct' || to.kind === 'union' ? to : undefined
    if (record === undefined && to.kind !== 'int') return undefined
    const others = this.#parameters({ ...prototype, params: rest })
    if (record !== undefined) this.record(record)
    return () => {
      const own = record
        ? `${this.#word('Writable')}<${this.#nameOf(record)}>`
        : `${this.#word('Ref')}<${this.#type(to.id)}>`
      return `[${tupleName(first.name, 0)}: ${own}, ...${others()}]`
    }
  }

  /** The functions of a struct are programs, whose first argument they may write to. */
  #structOps(name: string): (() => string) | undefined {
    const struct = this.#kernel.record(name)
    if (struct === undefined || !structOpsNames(this.#kernel).includes(name)) return undefined
    const functions = struct.members.map(({ typeId }) => functionBehind(this.#kernel, typeId))
    const recordOf = (typeId: number): KernelRecord | undefined => {
      const found = this.#recordIn(typeId)
      return found && opsRecord(this.#kernel, name, found.record)
    }
    for (const one of functions) {
      if (one !== undefined) this.#reached(one.returnTypeId)
      for (const { typeId } of one?.params ?? []) {
        const record = recordOf(typeId)
        if (record !== undefined) this.record(record)
      }
    }
    return () => {
      const members = struct.members.flatMap(({ name, typeId }, i) => {
        const prototype = functions[i]
        if (name === '') return []
        if (prototype === undefined) {
          const { kind } = this.#kernel.btf.resolve(typeId)
          return [`      ${name}: ${kind === 'array' ? 'string' : 'number'}\n`]
        }
        const params = prototype.params.map(({ name, typeId }, i) => {
          const record = recordOf(typeId)
          const type = record ? `${this.#word('Writable')}<${this.#nameOf(record)}>` : this.#passed(typeId)
          return `${tupleName(name, i)}: ${type}`
        })
        const returned = this.#type(prototype.returnTypeId)
        const result =
          this.#kernel.btf.resolve(prototype.returnTypeId).kind === 'ptr' ? `${returned} | null` : returned
        return [`      ${name}: (${params.join(', ')}) => ${result === 'void' ? 'undefined' : result}\n`]
      })
      return `{\n${members.join('')}    }`
    }
  }

  /** Arguments in memory can be of any type, and a result that points to a struct may be null. */
  #kfunc(prototype: BtfFuncProto): () => string {
    const { btf } = this.#kernel
    const { params, returnTypeId } = prototype
    this.#reached(returnTypeId)
    return () => {
      const named = params.flatMap(({ name, typeId }, i) => {
        if (isSize(this.#kernel, prototype, i) || isContext(this.#kernel, prototype, i)) return []
        const isPointer = btf.resolve(typeId).kind === 'ptr'
        return [`${tupleName(name, i)}: ${isPointer ? 'unknown' : this.#type(typeId)}`]
      })
      const returned = btf.resolve(returnTypeId)
      const to = returned.kind === 'ptr' ? btf.resolve(returned.typeId) : undefined
      const result = to?.kind === 'int' ? `{ value: ${this.#type(to.id)} }` : this.#type(returnTypeId)
      return `(${named.join(', ')}) => ${result}${to === undefined ? '' : ' | null'}`
    }
  }

  #iterator(name: string): (() => string) | undefined {
    const { btf } = this.#kernel
    const [create, next] = ['new', 'next'].map((one) => this.#kernel.function(`bpf_iter_${name}_${one}`))
    if (create === undefined || next === undefined) return undefined
    this.#reached(next.returnTypeId)
    return () => {
      const params = create.params.slice(1).map(({ name: parameter, typeId }, i) => {
        const mark = isOptional(this.#kernel, name, parameter, typeId) ? '?' : ''
        const type = btf.resolve(typeId).kind === 'ptr' ? 'unknown' : this.#type(typeId)
        return `${tupleName(parameter.replace(/__\w+$/, ''), i)}${mark}: ${type}`
      })
      const returned = btf.resolve(next.returnTypeId)
      const to = returned.kind === 'ptr' ? btf.resolve(returned.typeId) : undefined
      const element = this.#type(to?.kind === 'int' ? to.id : next.returnTypeId)
      return `(${params.join(', ')}) => Iterable<${element}>`
    }
  }

  /** Arguments are pointers to records that are to be declared. */
  #reached(typeId: number): void {
    const found = this.#recordIn(typeId)
    if (found !== undefined) this.record(found.record)
  }

  text(more: string): string {
    const hooks = hookKinds.map((kind) => {
      const list = [...this.#hooks[kind]].sort(([a], [b]) => (a < b ? -1 : 1))
      const key = (name: string): string => (isIdentifier(name) || name.startsWith('[') ? name : `'${name}'`)
      const lines = list.map(([name, text]) => `    ${key(name)}: ${text()}\n`)
      return lines.length === 0 ? '' : `  interface ${kind} {\n${lines.join('')}  }\n`
    })
    const declared = [...this.#distance.keys()]
      .map((id) => this.#kernel.btf.type(id) as KernelRecord)
      .filter(({ name }) => name !== '')
    const structs = declared
      .filter((record) => this.#isFirst(record))
      .map((record) => `    ${record.name}: ${this.#nameOf(record)}\n`)
      .sort()
      .join('')
    const records = declared
      .map((record): [string, string] => [this.#ownName(record), this.#members(record, '      ')])
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, members]) => `    interface ${name} {\n${members}    }\n`)
    const namespace =
      records.length === 0
        ? ''
        : `  interface Structs {\n${structs}  }\n  namespace kernel {\n${records.join('')}  }\n`
    const words = [...this.#words].sort().join(', ')
    const imports =
      words === '' ? "import 'libbpf-node/kernel'\n" : `import type { ${words} } from 'libbpf-node/kernel'\n`
    return `${imports}\ndeclare module 'libbpf-node/kernel' {\n${more}${hooks.join('')}${namespace}}\n`
  }

  #ownName(record: KernelRecord): string {
    const { id, name } = record
    // Several sources of the kernel may each have a struct of their own with the same name.
    if (!this.#isFirst(record)) return `${name}__${id}`
    return reserved.has(name) ? `${name}_` : name
  }

  /** Whether it is the struct that a search by its name finds. */
  #isFirst({ id, name }: KernelRecord): boolean {
    return this.#kernel.record(name)?.id === id
  }

  #nameOf(record: KernelRecord): string {
    return this.#distance.has(record.id) ? `kernel.${this.#ownName(record)}` : this.#word('Kernel')
  }

  #word(name: string): string {
    this.#words.add(name)
    return name
  }

  #members(record: KernelRecord, indent: string, seen = new Set<string>()): string {
    return record.members.map((member) => this.#member(member, indent, seen)).join('')
  }

  #member({ name, typeId }: BtfMember, indent: string, seen: Set<string>): string {
    if (name === '') {
      const inner = this.#kernel.btf.resolve(typeId)
      const isRecord = inner.kind === 'struct' || inner.kind === 'union'
      return isRecord ? this.#members(inner, indent, seen) : ''
    }
    if (seen.has(name)) return ''
    seen.add(name)
    return `${indent}readonly ${name}: ${this.#type(typeId, indent)}\n`
  }

  /** What a program is called with: text is passed as its address. */
  #passed(typeId: number): string {
    const type = this.#kernel.btf.resolve(typeId)
    const to = type.kind === 'ptr' ? this.#kernel.btf.resolve(type.typeId) : undefined
    return to?.kind === 'int' ? this.#word('u64') : this.#type(typeId)
  }

  #type(typeId: number, indent = ''): string {
    const type = this.#kernel.btf.resolve(typeId)
    switch (type.kind) {
      case 'int':
        if (type.bool) return 'boolean'
        return type.size > 8 ? 'unknown' : this.#word(this.#integer(typeId, type.size, type.signed))
      case 'enum':
      case 'enum64':
        return this.#word(this.#integer(typeId, type.size || 4, type.signed))
      case 'ptr': {
        const to = this.#kernel.btf.resolve(type.typeId)
        if (to.kind === 'int' && to.size === 1 && !to.bool) return this.#word('TextPointer')
        if (to.kind !== 'struct' && to.kind !== 'union') return this.#word('u64')
        return to.name === '' ? this.#word('Kernel') : this.#nameOf(to)
      }
      case 'array': {
        const of = this.#kernel.btf.resolve(type.typeId)
        const length = type.length === 0 ? 'number' : type.length
        if (of.kind === 'int' && of.size === 1 && !of.bool)
          return `${this.#word(of.name === 'char' ? 'KernelText' : 'bytes')}<${length}>`
        return `${this.#word('array')}<${this.#type(type.typeId, indent)}, ${length}>`
      }
      case 'struct':
      case 'union':
        if (type.name !== '') return this.#nameOf(type)
        return `{\n${this.#members(type, `${indent}  `)}${indent}}`
      case 'void':
        return 'void'
      default:
        return 'unknown'
    }
  }

  #integer(typeId: number, size: number, signed: boolean): string {
    const letters = this.#kernel.isBigEndian(typeId) ? 'be' : signed ? 's' : 'u'
    return `${letters}${size * 8}`
  }
}

/** The name of a parameter, or one for a parameter that has none. */
function tupleName(name: string, i: number): string {
  if (!isIdentifier(name)) return `argument${i}`
  return reserved.has(name) ? `${name}_` : name
}
