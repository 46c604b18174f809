// What is declared at the top level of a program's file: structs, maps, global variables, programs, functions.

import { dirname } from 'node:path'
import type { MapDefinition } from '../asm/map-definition.js'
import { type Constant, computeBinary, computeUnary, converted } from './constants.js'
import { readFiles } from './files.js'
import { hooks } from './hooks/kinds.js'
import { declareStructOps, type ModuleStructOps } from './hooks/struct-ops.js'
import { onlyInArena } from './maps/arena.js'
import { declareMap, expectPrograms } from './maps/declare.js'
import { rootOf } from './maps/graph-types.js'
import { mapKinds } from './maps/kinds.js'
import { kptrOf, onlyValues } from './maps/kptr-types.js'
import { isOpaque, opaqueTypes } from './maps/opaque.js'
import { nearest } from './nearest.js'
import { notInKernel, notWhole } from './not-in-kernel.js'
import { own } from './own.js'
import type { Source } from './source.js'
import { countCalls } from './subprograms.js'
import { type ast, calledName } from './syntax.js'
import {
  describe,
  type Enumeration,
  endsOpen,
  has,
  hasKptr,
  hasPtr,
  type IntType,
  integers,
  onlyRecords,
  type StructType,
  s32,
  structOf,
  type Type,
  u32,
  userPointer,
} from './types.js'

export const globalKinds = ['rodata', 'data', 'bss'] as const

/** Whether a word makes a map, a global variable or a program, which are declared at the top level of a file. */
export const isDeclarator = (word: string): boolean =>
  Object.hasOwn(mapKinds, word) ||
  Object.hasOwn(hooks, word) ||
  ([...globalKinds, 'kconfig', 'globalFunction'] as string[]).includes(word)

export interface ModuleMap {
  readonly name: string
  readonly kind: string
  readonly type: MapDefinition['type']
  readonly key: Type | undefined
  readonly value: Type | undefined
  /** The records of a ring buffer. */
  readonly records: readonly StructType[] | undefined
  readonly maxEntries: number
  /** `BPF_F_*` */
  readonly flags: number
  /** What the maps in a map of maps are like. */
  readonly inner?: ModuleMap
  /** The names of the programs that are in a program array. */
  readonly slots?: readonly string[]
  /** It is pinned under its name. */
  readonly pin?: boolean
  /** A map next to it counts the records that found no room. */
  readonly countLost?: boolean
  readonly numaNode?: number
  /** Of a bloom filter. */
  readonly hashes?: number
  /** Its types are not declared: they are those of the first value that a program puts into it. */
  readonly isInferred: boolean
  readonly node: ast.Node
}

export interface ModuleGlobal {
  readonly name: string
  readonly section: string
  readonly type: Type
  readonly value: bigint
  /** Declared with `let`, so programs may assign to it. */
  readonly mutable: boolean
}

export interface ModuleProgram {
  readonly name: string
  readonly hook: string
  /** What it is attached to; undefined for hooks that have no target. */
  readonly target: { readonly name: string; readonly node: ast.Node } | undefined
  readonly function: ast.ArrowFunctionExpression | ast.FunctionExpression | ast.ObjectMethod
  readonly node: ast.Node
  /** For a function of structOps: the kernel's struct that it belongs to. */
  readonly ops?: { readonly struct: string; readonly structNode: ast.Node; readonly sleeps: boolean }
}

type FunctionNode = ModuleProgram['function'] | ast.FunctionDeclaration

export class Module {
  readonly source: Source
  readonly structs = new Map<string, StructType>()
  readonly aliases = new Map<string, ast.TSType>()
  readonly maps = new Map<string, ModuleMap>()
  readonly globals = new Map<string, ModuleGlobal>()
  /** Options of the kernel's configuration, by the names of their variables. */
  readonly configs = new Map<string, { readonly name: string; readonly type: Type }>()
  readonly constants = new Map<string, Constant>()
  readonly enums = new Map<string, Enumeration>()
  readonly functions = new Map<string, FunctionNode>()
  /**
   * The names of global functions: the verifier checks them separately from their callers, and other programs can
   * replace them.
   */
  readonly globalFunctions = new Set<string>()
  readonly programs: ModuleProgram[] = []
  readonly structOps: ModuleStructOps[] = []
  license: string | undefined

  readonly #statements: readonly ast.Statement[]
  #calls: ReadonlyMap<string, number> | undefined

  constructor(source: Source, folder = dirname(source.file)) {
    this.source = source
    const files = readFiles(source, folder)
    const statements = [...files.imported, ...files.own]
    this.imported = files.paths
    this.expectImported = files.expectWords
    this.#statements = statements
    // Types may be used before they are declared.
    for (const node of statements)
      if (node.type === 'TSTypeAliasDeclaration') this.aliases.set(node.id.name, node.typeAnnotation)
    for (const node of statements) {
      if (node.type !== 'TSInterfaceDeclaration') continue
      const { name } = node.id
      // TypeScript would merge them into one.
      if (this.#interfaces.has(name))
        source.fail(
          node.id,
          `the interface '${name}' is declared before`,
          'Write all members in one of them.',
        )
      this.#interfaces.set(name, node)
    }
    for (const node of statements) this.#early(node)
    for (const node of statements) if (node.type === 'TSEnumDeclaration') this.#enum(node)
    // The interfaces of other files are only looked at where something uses them.
    for (const node of files.imported) if (node.type !== 'TSInterfaceDeclaration') this.#statement(node)
    for (const node of files.own) {
      this.#statement(node)
      if (node.type === 'TSInterfaceDeclaration' && files.exported.has(node.id.name))
        this.exported.push(node.id.name)
    }
    expectPrograms(this)
  }

  /** How often each name is called: only asked for if the file has functions. */
  get calls(): ReadonlyMap<string, number> {
    this.#calls ??= countCalls(this.#statements)
    return this.#calls
  }

  /** The paths of the files that the file imports. */
  readonly imported: readonly string[]
  /** Refuses words of the language that the files use and do not import. */
  readonly expectImported: () => void
  /** The names of interfaces that user space also gets, even if no map or variable uses them. */
  readonly exported: string[] = []
  readonly #interfaces = new Map<string, ast.TSInterfaceDeclaration>()
  readonly #open = new Set<string>()

  #statement(node: ast.Node): void {
    switch (node.type) {
      case 'ImportDeclaration':
      case 'TSTypeAliasDeclaration':
      case 'EmptyStatement':
        return
      case 'TSInterfaceDeclaration':
        this.struct(node.id.name)
        return
      case 'TSEnumDeclaration':
        return
      case 'FunctionDeclaration':
        this.expectPlain(node)
        this.#expectOwnName(node.id!)
        this.functions.set(node.id!.name, node)
        return
      case 'VariableDeclaration':
        for (const declaration of node.declarations) this.#variable(declaration, node.kind)
        return
    }
    const [reason, hint] = notInKernel(node)
    if (node.type === 'ClassDeclaration') this.source.fail(node, reason, hint)
    this.source.fail(node, 'only types, maps, global variables, functions and programs can stand here')
  }

  /** Refuses a function whose calls would be taken for something else. */
  #expectOwnName(id: ast.Identifier): void {
    const { name } = id
    if (!Object.hasOwn(integers, name) && !['zero', 'range', 'str', 'bpf', 'kfunc', 'each'].includes(name))
      return
    this.source.fail(id, `'${name}' is a word of the kernel side`, 'Give the function another name.')
  }

  /** Refuses async functions and generators. */
  expectPlain(node: FunctionNode): void {
    if (node.async)
      this.source.fail(
        node,
        'a program in the kernel cannot wait, so no function is async',
        'Send an event, and do in Node.js what takes time.',
      )
    if (node.generator) this.source.fail(node, 'the kernel side has no generators', 'Write a loop.')
  }

  /** Constants that are computed from numbers may also be used before they are declared: in types and enums. */
  #early(node: ast.Node): void {
    if (node.type !== 'VariableDeclaration' || node.kind !== 'const') return
    for (const { id, init } of node.declarations) {
      if (id.type !== 'Identifier' || !init) continue
      const value = this.typedConstant(init)
      if (value !== undefined) this.constants.set(id.name, this.#declared(id, init, value))
    }
  }

  #enum(node: ast.TSEnumDeclaration): void {
    const { name } = node.id
    const values = new Map<string, bigint>()
    let next: bigint | undefined = 0n
    // A value may be computed from those before it.
    this.#values = values
    for (const member of node.members ?? node.body?.members ?? []) {
      if (member.id.type !== 'Identifier') this.source.fail(member, 'a value of an enum has a name')
      const value: bigint | undefined = member.initializer ? this.constant(member.initializer) : next
      if (value === undefined || value < -(2n ** 31n) || value >= 2n ** 32n)
        this.source.fail(member, 'a value of an enum is a constant number of 32 bits')
      values.set(member.id.name, value)
      next = value + 1n
    }
    this.#values = new Map()
    if (values.size === 0) this.source.fail(node.id, `'${name}' has no values`)
    const numbers = [...values].map(([name, value]) => [name, Number(value)] as const)
    this.enums.set(name, { name, values: Object.fromEntries(numbers) })
  }

  /** `const most: u32 = 64` is a u32. */
  #declared(id: ast.Identifier, init: ast.Node, number: Constant): Constant {
    const annotation =
      id.typeAnnotation?.type === 'TSTypeAnnotation' ? id.typeAnnotation.typeAnnotation : undefined
    if (annotation?.type !== 'TSTypeReference' || annotation.typeName.type !== 'Identifier') return number
    const type = own(integers, annotation.typeName.name)
    if (type === undefined || type.bigEndian) return number
    const fit = converted(type, number.value)
    if (fit.value !== number.value) this.source.fail(init, `${number.value} does not fit ${type.name}`)
    return fit
  }

  #variable(node: ast.VariableDeclarator, kind: string): void {
    const { id, init } = node
    if (id.type !== 'Identifier') this.source.fail(id, 'a declaration at the top of the file has one name')
    const { name } = id
    const maker = calledName(init)
    const isVariable = maker === 'data' || maker === 'bss'
    if (kind !== 'const' && !isVariable)
      this.source.fail(
        node,
        `'${name}' has to be const`,
        isDeclarator(maker) ? `Write const ${name}.` : 'A variable that changes is made with data<T>(value).',
      )
    if (name === 'license') {
      if (init?.type !== 'StringLiteral')
        this.source.fail(init ?? node, 'the license is text', "Write export const license = 'GPL'.")
      this.license = init.value
      return
    }
    if (init?.type === 'StringLiteral') {
      this.source.fail(
        init,
        'text is no constant here, except for the license',
        'Write it where it is used, or let user space set it: rodata<char<16>>().',
      )
    }
    if (init?.type === 'NumericLiteral' && !Number.isSafeInteger(init.value))
      this.source.fail(init, ...notWhole(String(init.extra?.raw ?? init.value), init.value))
    if (init?.type === 'ArrowFunctionExpression' || init?.type === 'FunctionExpression') {
      this.expectPlain(init)
      this.functions.set(name, init)
      return
    }
    const number = init ? this.typedConstant(init) : undefined
    if (number !== undefined) {
      this.constants.set(name, this.#declared(id, init!, number))
      return
    }
    if (init?.type !== 'CallExpression' || init.callee.type !== 'Identifier') {
      this.source.fail(
        node,
        `'${name}' is neither a constant, a map, a global variable nor a program`,
        "They are made like this: hash<u32, u64>(1024), rodata<u32>(0), rawTp('sched_switch', (task) => { ... }).",
      )
    }
    const { callee } = init
    if (!/^[A-Za-z_]\w*$/.test(name))
      this.source.fail(
        node,
        `'${name}' is a name that the kernel does not take`,
        'Names of maps, variables and programs have the letters A to Z, digits and _.',
      )
    if (Object.hasOwn(mapKinds, callee.name)) this.maps.set(name, declareMap(this, name, init, callee.name))
    else if ((globalKinds as readonly string[]).includes(callee.name))
      this.#global(name, init, callee.name, kind !== 'const')
    else if (callee.name === 'kconfig') this.#config(name, init)
    else if (callee.name === 'globalFunction') this.#globalFunction(name, init)
    else if (callee.name === 'structOps') declareStructOps(this, name, init)
    else if (Object.hasOwn(hooks, callee.name)) this.#program(name, init, callee.name)
    else {
      const known = [
        ...Object.keys(mapKinds),
        ...globalKinds,
        'kconfig',
        'globalFunction',
        ...Object.keys(hooks),
      ]
      this.source.fail(
        callee,
        `'${callee.name}' makes neither a map, a global variable nor a program`,
        nearest(callee.name, known),
      )
    }
  }

  #typeArguments(call: ast.CallExpression): ast.TSType[] {
    const given = call.typeParameters
    return given?.type === 'TSTypeParameterInstantiation' ? given.params : []
  }

  #global(name: string, call: ast.CallExpression, kind: string, mutable: boolean): void {
    const [type] = this.#typeArguments(call)
    if (type === undefined) this.source.fail(call, `${kind} needs its type`, `Write ${kind}<u32>(0).`)
    const initial = call.arguments[0]
    const value = initial === undefined ? 0n : this.constant(initial)
    if (value === undefined)
      this.source.fail(
        initial!,
        'the initial value has to be a constant number',
        `User space sets other values before it loads the program: object.${kind}.${name} = ...`,
      )
    const own = this.type(type)
    if (endsOpen(own)) this.source.fail(type, onlyRecords(own))
    if (hasKptr(own)) this.source.fail(type, onlyValues)
    if (hasPtr(own)) this.source.fail(type, onlyInArena)
    const bits = own.kind === 'int' ? own.size * 8 : 64
    // -1 is also accepted, as the largest number.
    if (value >= 1n << BigInt(bits) || value < -(1n << BigInt(bits - 1)))
      this.source.fail(initial!, `${value} does not fit ${own.kind === 'int' ? own.name : 'this type'}`)
    this.globals.set(name, { name, section: `.${kind}`, type: own, value, mutable })
  }

  /** `kconfig<u32>('CONFIG_HZ')` */
  #config(name: string, call: ast.CallExpression): void {
    const [given] = this.#typeArguments(call)
    const option = call.arguments[0]
    const type = given && this.type(given)
    const isKnown = type !== undefined && type.kind !== 'struct' && type.kind !== 'array'
    if (!isKnown || option?.type !== 'StringLiteral' || call.arguments.length > 1) {
      this.source.fail(
        call,
        'kconfig needs the type of an option, and its name',
        "Write kconfig<u32>('CONFIG_HZ'), kconfig<bool>('CONFIG_SMP') or kconfig<char<32>>('CONFIG_DEFAULT_HOSTNAME').",
      )
    }
    if (!/^(CONFIG_|LINUX_)\w+$/.test(option.value))
      this.source.fail(option, "an option of the kernel's configuration begins with CONFIG_")
    this.configs.set(name, { name: option.value, type })
  }

  /** `globalFunction((uid: u32): u32 => 1)` */
  #globalFunction(name: string, call: ast.CallExpression): void {
    const [fn, more] = call.arguments
    if ((fn?.type !== 'ArrowFunctionExpression' && fn?.type !== 'FunctionExpression') || more !== undefined)
      this.source.fail(
        call,
        'globalFunction needs a function, and nothing else',
        'Write globalFunction((uid: u32): u32 => 1).',
      )
    this.expectPlain(fn)
    this.functions.set(name, fn)
    this.globalFunctions.add(name)
  }

  #program(name: string, call: ast.CallExpression, kind: string): void {
    const args = [...call.arguments]
    const fn = args.pop()
    if (fn?.type !== 'ArrowFunctionExpression' && fn?.type !== 'FunctionExpression') {
      this.source.fail(
        call,
        `the last argument of ${kind} is the function that runs in the kernel`,
        'Write it here: (task) => { ... }.',
      )
    }
    this.expectPlain(fn)
    const target = args[0]
    const wanted = hooks[kind]!.target
    const written = target && textOf(target)
    if (
      wanted === 'required' ? written === undefined : wanted === 'optional' && target && written === undefined
    )
      this.source.fail(
        target ?? call,
        `the first argument of ${kind} is the name of what it is attached to`,
        `Write it as text: ${kind}('...', ...).`,
      )
    if (wanted === 'none' && target !== undefined)
      this.source.fail(
        target,
        `${kind} programs do not name what they are attached to`,
        'User space attaches them.',
      )
    this.programs.push({
      name,
      hook: kind,
      target: target && written !== undefined ? { name: written, node: target } : undefined,
      function: fn,
      node: call,
    })
  }

  /** The values so far of the enum that is being read. */
  #values: ReadonlyMap<string, bigint> = new Map()

  /** The value of an expression of numbers, if it is known before the program runs. */
  constant(node: ast.Node): bigint | undefined {
    return this.typedConstant(node)?.value
  }

  /** The same, with the type in which it is computed, if it has one. */
  typedConstant(node: ast.Node): Constant | undefined {
    switch (node.type) {
      case 'NumericLiteral':
        return Number.isSafeInteger(node.value) ? { value: BigInt(node.value) } : undefined
      case 'BigIntLiteral':
        return { value: BigInt(node.value) }
      case 'BooleanLiteral':
        return { value: node.value ? 1n : 0n }
      case 'Identifier': {
        const value = this.#values.get(node.name)
        return value === undefined ? this.constants.get(node.name) : { value }
      }
      case 'MemberExpression': {
        if (node.object.type !== 'Identifier' || node.property.type !== 'Identifier' || node.computed) break
        const value = own(this.enums.get(node.object.name)?.values ?? {}, node.property.name)
        return value === undefined ? undefined : { value: BigInt(value) }
      }
      case 'ParenthesizedExpression':
        return this.typedConstant(node.expression)
      case 'CallExpression': {
        const type = node.callee.type === 'Identifier' ? own(integers, node.callee.name) : undefined
        const [argument, ...more] = node.arguments
        const value = type && argument && more.length === 0 ? this.constant(argument) : undefined
        return type === undefined || value === undefined ? undefined : converted(type, value)
      }
      case 'UnaryExpression': {
        const of = this.typedConstant(node.argument)
        return of && computeUnary(node.operator, of)
      }
      case 'BinaryExpression': {
        const [a, b] = [this.typedConstant(node.left), this.typedConstant(node.right)]
        return a && b && computeBinary(node.operator, a, b)
      }
    }
    return undefined
  }

  /** A type as it stands in the source. */
  type(node: ast.TSType): Type {
    switch (node.type) {
      case 'TSTypeReference':
        return this.#reference(node)
      case 'TSBooleanKeyword':
        return integers.bool!
      case 'TSNumberKeyword':
        this.source.fail(
          node,
          "a 'number' has no size in the kernel",
          'Say which it is: u8, u16, u32, u64, s8, s16, s32 or s64.',
        )
        break
      case 'TSStringKeyword':
        this.source.fail(node, "a 'string' has no length in the kernel", 'Say how long it may be: char<16>.')
    }
    const hints: Readonly<Record<string, string>> = {
      TSArrayType: 'An array has a length: array<u32, 4>.',
      TSTupleType: 'An array has a length: array<u32, 4>.',
      TSUnionType:
        node.type === 'TSUnionType' && node.types.every(({ type }) => type === 'TSLiteralType')
          ? 'Values with names are an enum: enum Kind { Open, Close }.'
          : 'A value has one type; only a ring buffer can have records of several: ringbuf<Started | Ended>(4096).',
      TSTypeLiteral:
        'Declare it as an interface, and write its name here: interface Point { x: u32; y: u32 }.',
      TSBigIntKeyword: 'A number of 64 bits is a u64 or an s64.',
    }
    this.source.fail(
      node,
      'this is not a type of the kernel side',
      hints[node.type] ??
        'There are numbers (u8 to s64, be16 to be64), boolean, char<16>, bytes<6>, array<u32, 4> and interfaces.',
    )
  }

  #reference(node: ast.TSTypeReference): Type {
    const name = node.typeName.type === 'Identifier' ? node.typeName.name : ''
    const known = own(integers, name) ?? own(opaqueTypes, name)
    if (known !== undefined) return known
    const given = node.typeParameters?.params ?? []
    if (name === 'kptr') return kptrOf(this, given[0], node)
    if (name === 'ptr') return this.#ptr(given, node)
    if (name === 'user' && !this.hasType(name)) return this.userPointer(given, node)
    if ((name === 'list' || name === 'tree') && !this.hasType(name)) return rootOf(this, name, node)
    if (name === 'char' || name === 'bytes') {
      const length = this.#length(given[0], node)
      return name === 'char' ? { kind: 'chars', length } : { kind: 'array', of: integers.u8!, length }
    }
    if (name === 'array') {
      if (given.length !== 2)
        this.source.fail(node, 'an array has a type and a length', 'Write array<u32, 4>.')
      const of = this.type(given[0]!)
      if (endsOpen(of)) this.source.fail(given[0]!, onlyRecords(of))
      if (hasKptr(of))
        this.source.fail(given[0]!, 'a kptr cannot be in an array', 'Write members, or take a map.')
      return { kind: 'array', of, length: this.#length(given[1], node) }
    }
    const enumeration = this.enums.get(name)
    if (enumeration !== undefined) {
      const isSigned = Object.values(enumeration.values).some((value) => value < 0)
      return { ...(isSigned ? s32 : u32), enumeration }
    }
    const alias = this.aliases.get(name)
    if (alias !== undefined) return this.type(alias)
    const written = this.source.text.slice(node.start!, node.end!)
    if (written.startsWith('kernel.'))
      this.source.fail(
        node,
        `a ${written} stays in the kernel's memory`,
        'Copy the members that you need, or keep its address: u64(task) in a u64.',
      )
    return (
      this.struct(name) ??
      this.source.fail(
        node,
        `there is no type '${name || written}'`,
        nearest(name, [
          ...Object.keys(integers),
          ...this.#interfaces.keys(),
          ...this.aliases.keys(),
          ...this.enums.keys(),
          'char',
          'bytes',
          'array',
        ]),
      )
    )
  }

  /** `ptr<Item>` */
  #ptr([given, ...more]: readonly ast.TSType[], node: ast.TSTypeReference): Type {
    if (given === undefined || more.length > 0)
      this.source.fail(node, 'a ptr has the type of what it points to', 'Write ptr<Item>.')
    return {
      kind: 'ptr',
      name: `ptr<${this.source.text.slice(given.start!, given.end!)}>`,
      to: () => this.type(given),
      size: 8,
    }
  }

  /** `user<Request>` */
  userPointer([given, ...more]: readonly ast.TSType[], node: ast.Node): IntType {
    if (given === undefined || more.length > 0)
      this.source.fail(
        node,
        'a pointer into a process has the type of what it points to',
        'Write user<Request>.',
      )
    const name = this.source.text.slice(given.start!, given.end!)
    if (name.startsWith('kernel.'))
      this.source.fail(
        given,
        `a user<T> points into the memory of a process, and a ${name} is in the kernel's`,
        `Take its address as a u64, and write cast('${name.slice(7)}', address).`,
      )
    return userPointer(name, () => {
      const type = openType(given) ?? this.type(given)
      if (!has(type, (one) => isOpaque(one) || one.kind === 'ptr')) return type
      return this.source.fail(
        given,
        `a ${name} is not in the memory of a process: it has what belongs to the kernel or to an arena`,
      )
    })
  }

  #length(node: ast.TSType | undefined, outer: ast.Node): number {
    if (node?.type === 'TSTypeQuery' && node.exprName.type === 'Identifier') {
      const value = this.constants.get(node.exprName.name)?.value
      if (value !== undefined && value > 0n && value < 2n ** 31n) return Number(value)
    }
    const literal = node?.type === 'TSLiteralType' ? node.literal : undefined
    if (literal?.type !== 'NumericLiteral' || !Number.isInteger(literal.value) || literal.value < 1) {
      const name =
        node?.type === 'TSTypeReference' && node.typeName.type === 'Identifier' && node.typeName.name
      this.source.fail(
        node ?? outer,
        'the length has to be a number above 0',
        name ? `Write typeof ${name}, if ${name} is a constant.` : 'Write char<16>.',
      )
    }
    return literal.value
  }

  /** Whether the file declares a type of this name. */
  hasType(name: string): boolean {
    return this.#interfaces.has(name) || this.aliases.has(name) || this.enums.has(name)
  }

  /** An interface, laid out as a struct. */
  struct(name: string): StructType | undefined {
    const known = this.structs.get(name)
    const node = this.#interfaces.get(name)
    if (known !== undefined || node === undefined) return known
    if (this.#open.has(name)) this.source.fail(node.id, `'${name}' contains itself`)
    if (node.typeParameters)
      this.source.fail(
        node.typeParameters,
        'an interface has no type parameters here',
        'Write an interface for each type.',
      )
    const [base] = node.extends ?? []
    if (base !== undefined)
      this.source.fail(base, 'an interface cannot extend another one here', 'Write the members of both.')
    this.#open.add(name)
    const members = node.body.body.map((member) => {
      if (
        member.type !== 'TSPropertySignature' ||
        member.key.type !== 'Identifier' ||
        !member.typeAnnotation
      ) {
        this.source.fail(member, `a member of '${name}' is a name with a type`)
      }
      const memberName = member.key.name
      if (member.optional)
        this.source.fail(
          member,
          `a struct always has all of its members`,
          'Use 0 to mean that there is no value.',
        )
      const first = node.body.body.find(
        (one) =>
          one.type === 'TSPropertySignature' && one.key.type === 'Identifier' && one.key.name === memberName,
      )
      if (first !== member) this.source.fail(member, `'${name}' has a member '${memberName}' already`)
      const annotation = (member.typeAnnotation as ast.TSTypeAnnotation).typeAnnotation
      const open = openType(annotation)
      if (open !== undefined && member === node.body.body.at(-1) && first === node.body.body.at(-1))
        return { name: memberName, type: open }
      const type = this.type(annotation)
      if (endsOpen(type))
        this.source.fail(annotation, `${describe(type)} has no fixed length, so it cannot be a member`)
      return { name: memberName, type }
    })
    if (members.length === 0) this.source.fail(node.id, `'${name}' has no members`)
    const struct = structOf(name, members)
    this.structs.set(name, struct)
    this.#open.delete(name)
    return struct
  }
}

/** `bytes` or `char` without a length, at the end of an interface: as long as the record, C's `char[]`. */
function openType(node: ast.TSType): Type | undefined {
  const name =
    node.type === 'TSTypeReference' && node.typeName.type === 'Identifier' && !node.typeParameters
      ? node.typeName.name
      : ''
  if (name === 'bytes') return { kind: 'array', of: integers.u8!, length: 0 }
  return name === 'char' ? { kind: 'chars', length: 0 } : undefined
}

export type { FunctionNode, IntType }

/** Text from a literal. */
function textOf(node: ast.Node): string | undefined {
  if (node.type === 'StringLiteral') return node.value
  const isPlain = node.type === 'TemplateLiteral' && node.expressions.length === 0
  return isPlain ? (node.quasis[0]!.value.cooked ?? undefined) : undefined
}
