// A map as it is declared at the top of the file: hash<u32, u64>(1024, { pin: true }).
import type { Module, ModuleMap } from '../module.js'
import { nearest } from '../nearest.js'
import { type ast, calledName } from '../syntax.js'
import {
  sizeOf as bytesOf,
  endsOpen,
  hasKptr,
  hasPtr,
  integers,
  onlyRecords,
  type StructType,
  type Type,
  u32,
  u64,
} from '../types.js'
import { expectShared, mostPages, onlyInArena, pageSize, pagesOf } from './arena.js'
import { exampleOf, type MapKind, mapKinds } from './kinds.js'
import { onlyValues } from './kptr-types.js'
import { whyNoOpaque } from './opaque.js'

/** The options after the size, and the bits of `map_flags` that they set. */
const flagOptions: Readonly<Record<string, number>> = {
  noPrealloc: 1 << 0,
  noCommonLru: 1 << 1,
  readOnlyForUser: 1 << 3,
  writeOnlyForUser: 1 << 4,
  readOnlyForPrograms: 1 << 7,
  writeOnlyForPrograms: 1 << 8,
  mmapable: 1 << 10,
}

const options = [...Object.keys(flagOptions), 'pin', 'flags', 'numaNode', 'countLost', 'hashes']

/** @param name - of the map, or of the one that it is in */
export function declareMap(module: Module, name: string, call: ast.CallExpression, kind: string): ModuleMap {
  const { source } = module
  const found = mapKinds[kind]!
  const { key, value, records, isInferred } = typesOf(module, call, kind, found)
  const args = [...call.arguments]
  const maxEntries =
    found.size === 'none'
      ? 0
      : found.size === 'pages'
        ? pagesFor(module, value!, args, call)
        : sizeOf(module, args.shift(), call, kind, found)
  const inner = found.family === 'maps' ? template(module, name, args.shift(), call, kind) : undefined
  const slots = found.family === 'programs' ? programNames(module, call) : undefined
  const given = args.shift()
  if (args.length > 0)
    return source.fail(args[0]!, `${kind} has no more arguments`, `Write ${exampleOf(kind)}.`)
  const own = given === undefined ? {} : optionsOf(module, given)
  if (kind === 'lpmTrie') expectPrefix(module, key, call)
  const noOpaque = whyNoOpaque(kind, value)
  if (noOpaque !== undefined) return source.fail(call, noOpaque)
  return {
    name,
    kind,
    type: found.type,
    key,
    value,
    records,
    maxEntries: slots?.length ?? maxEntries,
    isInferred,
    node: call,
    flags: (found.flags ?? 0) | (own.flags ?? 0),
    ...(inner && { inner }),
    ...(slots && { slots }),
    ...(own.pin === true && { pin: true }),
    ...(own.countLost === true && { countLost: true }),
    ...(own.numaNode !== undefined && { numaNode: own.numaNode }),
    ...(own.hashes !== undefined && { hashes: own.hashes }),
  }
}

function typesOf(
  module: Module,
  call: ast.CallExpression,
  kind: string,
  { parameters, family }: MapKind,
): Pick<ModuleMap, 'key' | 'value' | 'records' | 'isInferred'> {
  const { source } = module
  const given = call.typeParameters
  const all = given?.type === 'TSTypeParameterInstantiation' ? given.params : []
  // hashOfMaps<u32, HashMap<u32, u64>>: tsc needs the second type, and the compiler knows it from the argument.
  const types = kind === 'hashOfMaps' ? all.slice(0, Math.max(1, all.length - 1)) : all
  const wanted = parameters === 'none' ? 0 : parameters === 'key and value' ? 2 : 1
  const mayBeInferred = /^(elements|ring|perf events)/.test(family) && kind !== 'lpmTrie'
  // `unknown` leaves one of two types open.
  const isOpen = (type: ast.TSType): boolean => mayBeInferred && type.type === 'TSUnknownKeyword'
  const isInferred = wanted > 0 && mayBeInferred && (types.length === 0 || types.some(isOpen))
  if (types.length !== wanted && !(isInferred && types.length === 0)) {
    const what =
      wanted === 0
        ? 'no types'
        : parameters === 'key and value'
          ? 'the key and value types'
          : `the type of its ${parameters.replace('only ', '')}${parameters === 'struct' ? '' : 's'}`
    return source.fail(call, `${kind} ${wanted === 0 ? 'has' : 'needs'} ${what}`, `Write ${exampleOf(kind)}.`)
  }
  // The records of a ring buffer can be of several types: ringbuf<Started | Ended>.
  const [only] = types
  const isUnion = parameters === 'record' && only?.type === 'TSUnionType'
  const [first, second] = (isUnion ? [only.types[0]!] : types).map((one) =>
    isOpen(one) ? undefined : module.type(one),
  )
  for (const [i, type] of [first, second].entries())
    if (parameters !== 'record' && type !== undefined && endsOpen(type))
      source.fail(types[i]!, onlyRecords(type))
  if (kind === 'arena') {
    if (first?.kind !== 'struct')
      return source.fail(
        types[0]!,
        'what programs and user space share in an arena is an interface',
        'Write one: interface Shared { count: u64 }.',
      )
    expectShared(module, first, types[0]!)
  } else
    for (const [i, type] of [first, second].entries())
      if (type !== undefined && hasPtr(type)) source.fail(types[i] ?? call, onlyInArena)
  const keeps = /^(elements|storage)/.test(family) && kind !== 'lpmTrie'
  for (const [i, type] of [first, second].entries()) {
    const isValue = parameters === 'key and value' ? i === 1 : parameters !== 'record' && parameters !== 'key'
    if (type !== undefined && hasKptr(type) && !(keeps && isValue)) source.fail(types[i] ?? call, onlyValues)
  }
  const records = isUnion ? only.types.map((one) => module.type(one)) : first && [first]
  switch (parameters) {
    case 'key and value':
      return { key: first, value: second, records: undefined, isInferred }
    case 'value':
      return { key: u32, value: first, records: undefined, isInferred }
    case 'only value':
      return {
        key: family === 'storage' ? integers.s32! : undefined,
        value: first,
        records: undefined,
        isInferred,
      }
    case 'key':
      return { key: first, value: family === 'maps' ? u32 : u64, records: undefined, isInferred }
    case 'struct':
      return { key: undefined, value: first, records: undefined, isInferred }
    case 'none':
      return { key: u32, value: valueTypeOf(kind), records: undefined, isInferred }
    case 'record':
      if (records?.some((type) => type.kind !== 'struct'))
        return source.fail(
          types[0]!,
          'the records of a ring buffer are an interface',
          'Write one: interface Event { value: u32 }.',
        )
      return { key: undefined, value: undefined, records: records as StructType[] | undefined, isInferred }
  }
}

function valueTypeOf(kind: string): Type {
  // PERF_MAX_STACK_DEPTH
  if (kind === 'stackTraces') return { kind: 'array', of: u64, length: 127 }
  return kind === 'sockmap' || kind === 'reuseportArray' ? u64 : u32
}

function sizeOf(
  module: Module,
  node: ast.Node | undefined,
  call: ast.CallExpression,
  kind: string,
  { size, family }: MapKind,
): number {
  if (family === 'programs' && node?.type === 'ArrayExpression') return 0
  const value = node && module.constant(node)
  if (value !== undefined && value > 0xffff_ffffn)
    return module.source.fail(node!, `a map has at most ${0xffff_ffff} ${size}, and this is ${value}`)
  if (value === undefined || value <= 0n) {
    return module.source.fail(node ?? call, `${kind} needs its size: a constant number of ${size}`)
  }
  return Number(value)
}

/** How many pages an arena has: as many as its struct needs, or more, which programs can allocate. */
function pagesFor(module: Module, struct: Type, args: ast.Node[], call: ast.CallExpression): number {
  const { source } = module
  const other = [...module.maps.values()].find(({ kind }) => kind === 'arena')
  if (other !== undefined)
    return source.fail(
      call,
      `the file has an arena already: '${other.name}'`,
      'An object has only one. Let its interface have what both would have.',
    )
  const least = pagesOf(struct)
  const node = args[0]?.type === 'ObjectExpression' ? undefined : args.shift()
  const pages = node === undefined ? BigInt(least) : module.constant(node)
  if (pages === undefined || pages <= 0n || pages > BigInt(mostPages))
    return source.fail(node!, `arena needs its size: a constant number of pages, up to ${mostPages}`)
  if (pages < BigInt(least))
    return source.fail(
      node!,
      `the arena has ${Number(pages) * pageSize} bytes, and its struct needs ${bytesOf(struct)}`,
      `Give it ${least} pages.`,
    )
  return Number(pages)
}

/** What the maps in a map of maps are like. */
function template(
  module: Module,
  name: string,
  node: ast.Node | undefined,
  call: ast.CallExpression,
  kind: string,
): ModuleMap {
  const made = calledName(node)
  if (node?.type !== 'CallExpression' || !Object.hasOwn(mapKinds, made)) {
    return module.source.fail(
      node ?? call,
      `${kind} needs to know what the maps in it are like`,
      `Write ${exampleOf(kind)}.`,
    )
  }
  if (made === 'arena') return module.source.fail(node, 'an arena cannot be in a map of maps')
  const inner = declareMap(module, `${name}.inner`, node, made)
  if (inner.inner !== undefined)
    return module.source.fail(node, 'the maps in a map of maps are no maps of maps')
  return inner
}

/** `programArray([onIpv4, onIpv6])`: the programs that are in it from the beginning. */
function programNames(module: Module, { arguments: [first] }: ast.CallExpression): string[] | undefined {
  if (first?.type !== 'ArrayExpression') return undefined
  return first.elements.map((element) => {
    if (element?.type !== 'Identifier')
      return module.source.fail(element ?? first, 'this is the name of a program of the file')
    return element.name
  })
}

/** Refuses program arrays that contain anything but programs of the file, once all of these are known. */
export function expectPrograms(module: Module): void {
  const programs = module.programs.map(({ name }) => name)
  for (const { slots, node } of module.maps.values()) {
    const [first] = slots === undefined ? [] : (node as ast.CallExpression).arguments
    if (first?.type !== 'ArrayExpression') continue
    for (const element of first.elements)
      if (element?.type === 'Identifier' && !programs.includes(element.name))
        module.source.fail(
          element,
          `'${element.name}' is not a program of the file`,
          nearest(element.name, programs),
        )
  }
}

interface Options {
  readonly flags?: number
  readonly pin?: boolean
  readonly countLost?: boolean
  readonly numaNode?: number
  readonly hashes?: number
}

function optionsOf(module: Module, node: ast.Node): Options {
  const { source } = module
  if (node.type !== 'ObjectExpression')
    return source.fail(node, 'the options of a map are written as { pin: true }')
  let flags = 0
  const own: Record<string, number | boolean> = {}
  for (const property of node.properties) {
    if (property.type !== 'ObjectProperty' || property.key.type !== 'Identifier')
      return source.fail(property, 'options are written as name: value')
    const { name } = property.key
    if (!options.includes(name))
      return source.fail(
        property.key,
        `a map has no option '${name}'`,
        nearest(name, options) ?? `It has ${options.join(', ')}.`,
      )
    const value = module.constant(property.value)
    if (value === undefined) return source.fail(property.value, 'this has to be a constant')
    if (name === 'flags') flags |= Number(value)
    else if (name in flagOptions) flags |= value === 0n ? 0 : flagOptions[name]!
    else own[name] = name === 'numaNode' || name === 'hashes' ? Number(value) : value !== 0n
  }
  return { ...own, flags }
}

/** The key of an LPM trie begins with how many of its bits count. */
function expectPrefix(module: Module, key: Type | undefined, call: ast.CallExpression): void {
  const [first] = key?.kind === 'struct' ? key.members : []
  if (first?.type === u32 && key!.kind === 'struct' && key!.members.length > 1) return
  module.source.fail(
    call,
    'the key of an LPM trie is an interface whose first member is the length of the prefix, in bits',
    'Write interface Key { prefixlen: u32; address: bytes<4> }.',
  )
}
