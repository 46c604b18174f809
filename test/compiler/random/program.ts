// A random program of the whole language, and what it has to leave behind.

import type { Random } from '../../testing/random-programs.js'
import type { Callable, Declared, MapOf } from './expressions.js'
import { type Place, within } from './places.js'
import { type Around, runAll, type Statement } from './statement.js'
import { Statements } from './statements.js'
import {
  type ArrayOf,
  type Int,
  load,
  networkNumbers,
  numberNamed,
  numbers,
  readAs,
  type Struct,
  sizeOf,
  store,
  struct,
  type Type,
  u8,
  u32,
  u64,
  wrap,
  written,
} from './types.js'
import { Frame, Ring, ringSize, Table, type TableKind, type World } from './world.js'

/** What the kernel that runs the program has. */
export interface Can {
  /** Loops whose rounds the kernel counts. */
  readonly isCounted: boolean
  /** A function that is called for each element of a map. */
  readonly hasForEach: boolean
  readonly hasDynptrs: boolean
  readonly hasArenas: boolean
}

/** What a program leaves behind. */
export interface Result {
  readonly retval: bigint
  readonly output: readonly bigint[]
  readonly packet: Uint8Array
  /** Keys and values, or records, as hexadecimal digits, by the names of the maps. */
  readonly maps: Readonly<Record<string, readonly string[]>>
  /** What the emulator prints; undefined for a line that is not known. The kernel is silent. */
  readonly printed?: readonly (string | undefined)[]
}

export interface RandomProgram {
  readonly text: () => string
  readonly maps: readonly MapOf[]
  readonly outers: Declared['outers']
  readonly rings: readonly { readonly name: string }[]
  /** Loads the program: variables and maps keep what one run leaves to the next, as in the kernel. */
  readonly begin: () => (input: readonly bigint[], packet: Uint8Array) => Result
  /** Lists of statements that a smaller program may lack. */
  readonly parts: readonly Statement[][]
}

export const inputs = 16
const outputs = 8
const variables = 6

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export function randomProgram(
  random: Random,
  { isCounted, hasForEach, hasDynptrs, hasArenas }: Can,
): RandomProgram {
  const isTc = random.below(2) === 0
  const declared = declarations(random, hasDynptrs)
  const { structs, maps, outers, rings } = declared
  const writer = new Statements(random, declared, { isCounted, hasForEach, isTc })
  const isShared = hasArenas && random.below(4) === 0
  const globals = globalVariables(writer, structs, isShared)
  const known = globals.flatMap(({ places }) => places)
  const functions: (Callable & { statement: Statement })[] = []
  for (let i = random.below(4); i > 0; i--) functions.push(writer.fn(functions.length, known, functions))

  const locals = Array.from({ length: variables }, (_, i) => {
    const type = writer.one(numbers)
    return { name: `v${i}`, type, ...writer.variable(`v${i}`, type) }
  })
  const s = { type: structs[0]!, ...writer.variable('s', structs[0]!) }
  const array: ArrayOf & { of: Int } = {
    kind: 'array',
    of: writer.one(numbers),
    length: writer.one([3, 4, 4]),
  }
  const a = { type: array, ...writer.variable('a', array) }
  const around: Around = {
    places: [
      ...known,
      ...locals.flatMap(({ places }) => places),
      ...s.places,
      ...a.places.map((place, i) => ({ ...place, isWhole: i === 0 })),
    ],
    functions,
    held: new Set(),
    seesPacket: true,
    loops: [],
    returns: numberNamed('s32'),
    mayReturn: writer.once(3),
    pointsIntoPacket: false,
  }
  const body: Statement[] = []
  let scope = around
  for (let i = 2 + random.below(5); i > 0; i--) {
    const { statement, behind } = writer.statement(2, scope)
    body.push(statement)
    if (behind) scope = behind
  }
  const returned = writer.converted(around, numberNamed('s32'), 1)

  // ---- The start: everything gets its value from the input.
  let next = 0
  const input = (): number => next++ % inputs
  const given: { place: Place; from: number }[] = []
  const initial = ({ places }: { places: readonly Place[] }): string =>
    places
      .filter(({ type, text }) => type.kind === 'int' && !text.endsWith(']'))
      .map((place) => {
        const from = input()
        given.push({ place, from })
        return `${place.text} = ${readAs(place.type as Int).name}(input[${from}])`
      })
      .join('\n')
  const starts = locals.map(({ name, type, places }) => {
    const from = input()
    given.push({ place: places[0]!, from })
    return `let ${name}: ${type.name} = ${type.name}(input[${from}])`
  })
  const fills = [
    ...globals.filter(({ isRodata }) => !isRodata).map((one) => initial(one)),
    initial(s),
  ].filter((text) => text !== '')

  // ---- The end: everything is folded into the output.
  const folded = around.places.filter(
    (place): place is Place<Int> =>
      place.type.kind === 'int' && !(place.root.startsWith('v') && place.text === place.root),
  )
  const text = (): string => `
${structs.map((type) => `interface ${type.name} { ${type.members.map(({ name, type }) => `${name}: ${written(type)}`).join('; ')} }`).join('\n')}
const LIMIT = 12
enum E { A, B = 5, C = 40000 }
${maps.map(declarationOf).join('\n')}
${outers.map(({ name, inner }) => `export const ${name} = arrayOfMaps(2, ${madeBy(inner)})`).join('\n')}
${rings.map(({ name, records }) => `export const ${name} = ringbuf<${records.map((one) => one.name).join(' | ')}>(${ringSize})`).join('\n')}
${globals.map(({ declaration }) => declaration ?? '').join('\n')}
${arenaOf(globals)}
export const input = data<array<u64, ${inputs}>>()
export let output = data<array<u64, ${outputs}>>()
export const nought = rodata<u32>(0)
export const silent = data<u32>(0)
${functions.map(({ statement }) => statement.text()).join('\n')}
export const p = ${isTc ? 'tcIngress' : 'xdp'}((packet) => {
${starts.join('\n')}
let s: ${s.type.name} = zero()
const a: ${written(array)} = [${Array.from({ length: array.length }, (_, i) => `${array.of.name}(input[${i + 1}])`).join(', ')}]
${fills.join('\n')}
${unknownReturns(body.map(({ text }) => text()).join('\n'))}
${locals.map(({ name }, i) => `output[${i}] = u64(${name})`).join('\n')}
let mix: u64 = 7
${folded.map(({ text }) => `mix = mix * 31 + u64(${text})`).join('\n')}
output[${variables}] = mix
${unknownReturns(`return ${returned.text}`)}
})
export const license = 'GPL'
`
  return {
    text,
    maps,
    outers,
    rings,
    parts: [body, ...functions.flatMap(({ statement }) => statement.parts ?? [])],
    begin() {
      const lasting = {
        globals: new Map(
          globals.map(({ name, type, value }) => {
            const bytes = new Uint8Array(sizeOf(type))
            if (type.kind === 'int') store({ bytes, at: 0 }, type, value)
            return [name, bytes]
          }),
        ),
        tables: new Map(maps.map((map) => [map.name, newTable(map)])),
      }
      const output = Array.from({ length: outputs }, () => 0n)
      return (values, packet) =>
        evaluate(values, output, {
          globals: lasting.globals,
          tables: new Map(
            maps.map((map) => [map.name, lasts(map) ? lasting.tables.get(map.name)! : newTable(map)]),
          ),
          rings: new Map(rings.map(({ name }) => [name, new Ring()])),
          printed: [],
          packet: packet.slice(),
        })
    },
  }

  function evaluate(values: readonly bigint[], output: bigint[], world: World): Result {
    const frame = new Frame(world)
    for (const { id, type } of [...locals, s, a])
      frame.variables.set(id, { bytes: new Uint8Array(Math.max(8, sizeOf(type))), at: 0 })
    for (const { place, from } of given) store(place.at(frame), place.type as Int, values[from]!)
    for (let i = 0; i < array.length; i++)
      store({ bytes: frame.variables.get(a.id)!.bytes, at: i * sizeOf(array.of) }, array.of, values[i + 1]!)
    const left = runAll(body, frame)
    let retval = left?.how === 'return' ? left.value : 0n
    if (left?.how !== 'return') {
      for (const [i, { type, places }] of locals.entries())
        output[i] = wrap(u64, load(places[0]!.at(frame), type))
      let mix = 7n
      for (const { at, type } of folded) mix = wrap(u64, mix * 31n + wrap(u64, load(at(frame), type)))
      output[variables] = mix
      retval = returned.value(frame)
    }
    return {
      retval: wrap(u32, retval),
      output: [...output],
      packet: world.packet,
      printed: world.printed,
      maps: Object.fromEntries([
        ...[...world.rings].map(([name, { records }]) => [name, records.map(hex)]),
        ...[...world.tables].map(([name, table]) => [
          name,
          table.kind.word === 'queue' || table.kind.word === 'stack'
            ? table.list.map(hex)
            : [...table.entries].map(([key, value]) => `${key} ${hex(value)}`).sort(),
        ]),
      ]),
    }
  }
}

/** Whether a map keeps what is in it. Reading a queue empties it, and a program may run on another CPU the next time. */
export const lasts = ({ word }: MapOf): boolean => word === 'hash' || word === 'array'

const newTable = (map: MapOf): Table => new Table(map, sizeOf(map.value))

const declarationOf = (map: MapOf): string => `export const ${map.name} = ${madeBy(map)}`

const madeBy = ({ word, key, value, max }: MapOf): string => {
  const types = word.endsWith('ash') ? `${written(key)}, ${written(value)}` : written(value)
  return `${word}<${types}>(${max})`
}

function declarations(random: Random, hasDynptrs: boolean): Declared {
  const constants = [
    { text: 'LIMIT', value: 12n },
    { text: 'E.B', value: 5n },
    { text: 'E.C', value: 40000n },
    { text: '(LIMIT * 2)', value: 24n },
  ]
  const plain = new Statements(
    random,
    { structs: [], maps: [], outers: [], rings: [], constants, hasDynptrs },
    { isCounted: false, hasForEach: false, isTc: false },
  )
  const structs: Struct[] = []
  for (let i = 0; i < 3; i++) {
    const members = Array.from(
      { length: 1 + random.below(5) },
      (_, at) => [`m${at}`, plain.memberType(structs)] as const,
    )
    const all: Record<string, Type> = {
      n: plain.one([...numbers, ...networkNumbers]),
      ...Object.fromEntries(members),
    }
    const made = struct(`S${i}`, all)
    structs.push(made.size > 64 ? struct(`S${i}`, { n: u8, m0: u32 }) : made)
  }
  const valueType = (): Type => {
    const type = random.below(2) === 0 ? plain.one(structs) : plain.memberType()
    return type
  }
  const words: readonly TableKind['word'][] = ['hash', 'array', 'percpuHash', 'percpuArray', 'queue', 'stack']
  const maps = Array.from({ length: random.below(4) }, (_, i): MapOf => {
    const word = plain.one(words)
    const isHash = word.endsWith('ash')
    const key: Type = !isHash
      ? u32
      : random.below(2) === 0
        ? plain.one(numbers)
        : random.below(3) === 0
          ? { kind: 'chars', length: 8 }
          : plain.one(structs)
    return { name: `map${i}`, word, key, value: valueType(), max: plain.one([2, 3, 4, 8]) }
  })
  const rings = Array.from({ length: random.below(3) }, (_, i) => ({
    name: `ring${i}`,
    records: random.below(2) === 0 ? [structs[i]!] : [structs[2]!, structs[i]!],
  }))
  const outers = maps
    .filter((map) => lasts(map) && plain.once(2))
    .map((inner, i) => ({ name: `outer${i}`, inner }))
  return { structs, maps, outers, rings, constants, hasDynptrs }
}

interface Global {
  readonly name: string
  readonly type: Type
  readonly places: readonly Place[]
  /** None in an arena. */
  readonly declaration: string | undefined
  readonly isRodata: boolean
  /** What a number begins with. */
  readonly value: bigint
}

/** The variables that are in an arena instead. */
function arenaOf(globals: readonly Global[]): string {
  const members = globals.filter(({ declaration }) => declaration === undefined)
  if (members.length === 0) return ''
  const types = members.map(({ name, type }) => `${name}: ${written(type)}`).join('; ')
  return `interface Shared { ${types} }\nexport const shared = arena<Shared>()`
}

/** @param isShared - those that can be written are in an arena */
function globalVariables(writer: Statements, structs: readonly Struct[], isShared: boolean): Global[] {
  return Array.from({ length: 1 + writer.random.below(4) }, (_, i): Global => {
    const name = `g${i}`
    const kind = writer.one(['rodata', 'data', 'data', 'bss'])
    const isRodata = kind === 'rodata'
    const type: Type =
      isRodata || writer.once(2)
        ? writer.one(numbers)
        : writer.once(2)
          ? writer.one(structs)
          : writer.memberType()
    const inArena = isShared && !isRodata
    const value =
      kind !== 'bss' && !inArena && type.kind === 'int' && !type.big ? BigInt(writer.random.below(100)) : 0n
    const places = within({
      root: name,
      text: inArena ? `shared.${name}` : name,
      type,
      isConst: isRodata,
      at: ({ world }) => ({ bytes: world.globals.get(name)!, at: 0 }),
    })
    return {
      name,
      type,
      places,
      isRodata,
      value,
      declaration: inArena
        ? undefined
        : `export ${isRodata ? 'const' : 'let'} ${name} = ${kind}<${written(type)}>(${value === 0n ? '' : value})`,
    }
  })
}

/** Hides from the compiler which numbers are returned: it refuses those that have no meaning for the hook. */
const unknownReturns = (text: string): string => text.replace(/\breturn (.+)$/gm, 'return ($1) | nought')
