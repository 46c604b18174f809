import { inspect } from 'node:util'
import { Btf } from '../btf/btf.js'
import type { BtfTypes } from '../btf/parse.js'
import type { Held } from '../kernel/inventory.js'
import { kernelTypes } from '../machine/kernel-types.js'
import type { BpfMap } from '../maps/map.js'
import { BPF_F_RDONLY, type MapInfo } from '../maps/types.js'
import { type Command, exitCodes } from './command.js'
import { eachElement, enumNamer } from './enum-names.js'
import { create, eventPipe, freeze, lookup, nextKey, pin, push, remove, take, update } from './map-actions.js'
import {
  columns,
  holderNames,
  isJson,
  jsonOptions,
  listing,
  oneOf,
  parseOptions,
  print,
  printJson,
  printJsonArray,
  printPieces,
  right,
  table,
  toJson,
} from './output.js'
import { find, openAnyMap, pinsOf } from './select.js'
import { mapIn, type Reference, Words } from './words.js'

const options = {
  ...jsonOptions,
  bpffs: { type: 'boolean', short: 'f' },
} as const
const verbs = [
  'list',
  'show',
  'dump',
  'create',
  'lookup',
  'update',
  'delete',
  'getnext',
  'peek',
  'push',
  'pop',
  'enqueue',
  'dequeue',
  'event_pipe',
  'pin',
  'freeze',
] as const

export const command: Command = {
  usage:
    'list [MAP] | show MAP | dump MAP | create|lookup|update|delete|getnext|push|pop|peek|event_pipe|pin|freeze ...',
  summary: 'List, print, create and change maps',
  help: `  list [MAP]                list all maps or those that match, and the processes that hold them
  show MAP                  describe the maps that match; without MAP, the same as list
  dump MAP                  print its entries, decoded with the map's BTF; without BTF, as bytes
  lookup MAP key KEY        print one entry
  update MAP key KEY value VALUE [any|exist|noexist]
                            write an entry; 'exist' only replaces one, 'noexist' only creates one
  delete MAP key KEY        delete an entry
  getnext MAP [key KEY]     print the key after KEY, or the first one
  push MAP value VALUE      add a value to a stack or queue (enqueue is the same)
  pop MAP                   take a value from a stack or queue, and print it (dequeue is the same)
  peek MAP                  print the value that pop would take
  event_pipe MAP            print the records of a perf event array until you press Ctrl-C
  create PATH type TYPE key SIZE value SIZE entries N [name NAME] [flags N] [inner_map MAP]
                            create a map and pin it to PATH
  pin MAP PATH              pin it
  freeze MAP                let nothing but programs change it

MAP is an id, 'id ID', 'pinned PATH' or 'name NAME'. KEY and VALUE are JSON by the map's BTF, as dump prints them:
'{"pid": 1, "state": "RUNNING"}'. 'hex 01 0a' and several numbers are bytes. The value of a map of programs or of maps
names one: 'pinned PATH'.

  -j, --json   print JSON; dump prints an array of { key, value }, with bytes in hexadecimal
  -f, --bpffs  with list and show: also print where they are pinned

Requires CAP_SYS_ADMIN.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [first, ...rest] = positionals
    const verb = oneOf('action', verbs, first ?? 'list')
    const words = new Words(rest)
    const json = isJson(values)
    switch (verb) {
      case 'list':
      case 'show': {
        const reference = words.isEmpty ? undefined : mapIn(words)
        words.end()
        const pins = values.bpffs === true ? pinsOf('map') : undefined
        return verb === 'list' || reference === undefined
          ? list(reference, json, pins)
          : show(reference, json, pins)
      }
      case 'dump': {
        const reference = mapIn(words)
        words.end()
        return dump(reference, json)
      }
      case 'lookup':
        return lookup(words, (map, key, value) => printEntry(entryOf(map, key, value), json))
      case 'update':
        return update(words)
      case 'delete':
        return remove(words)
      case 'getnext':
        return nextKey(words, (map, key, next) => {
          const entry = presenter(map)
          const shownKey = entry(next, undefined).key
          if (json)
            printJson({ key: key === undefined ? null : entry(key, undefined).key, next_key: shownKey })
          else print(`${shown(shownKey)}\n`)
        })
      case 'push':
      case 'enqueue':
        return push(words)
      case 'peek':
      case 'pop':
      case 'dequeue':
        return take(words, verb === 'peek', (map, value) => {
          const { value: shownValue } = presenter(map)(undefined, value)
          if (json) printJson({ value: shownValue })
          else print(`${shown(shownValue)}\n`)
        })
      case 'event_pipe':
        return eventPipe(words, ({ cpu, bytes, lost }) => {
          if (json) print(`${toJson(lost === undefined ? { cpu, data: bytes } : { cpu, lost })}\n`)
          else
            print(lost === undefined ? `cpu ${cpu}: ${shown(bytes)}\n` : `cpu ${cpu}: ${lost} events lost\n`)
        })
      case 'create':
        return create(words)
      case 'pin':
        return pin(words)
      case 'freeze':
        return freeze(words)
    }
  },
}

type Pins = ReadonlyMap<number, readonly string[]> | undefined

const forJson = (info: MapInfo, pins: Pins): object =>
  pins === undefined ? info : { ...info, pinned: pins.get(info.id) ?? [] }

function list(reference: Reference | undefined, json: boolean, pins: Pins): number {
  const found = find('map', reference)
  if (json) printJson(found.map((info) => forJson(info, pins)))
  else {
    print(
      table(
        [
          right('id'),
          'type',
          'name',
          right('key'),
          right('value'),
          right('entries'),
          'held by',
          ...(pins ? ['pinned'] : []),
        ],
        found.map((info) => [
          info.id,
          info.type,
          info.name,
          info.keySize,
          info.valueSize,
          info.maxEntries,
          holderNames(info.holders),
          ...(pins ? [pins.get(info.id)?.join(' ')] : []),
        ]),
      ),
    )
  }
  return exitCodes.ok
}

function show(reference: Reference, json: boolean, pins: Pins): number {
  const found = find('map', reference)
  // Several can have the same name.
  if (json)
    printJson(reference.by === 'name' ? found.map((info) => forJson(info, pins)) : forJson(found[0]!, pins))
  else print(found.map((info) => description(info, pins)).join('\n'))
  return exitCodes.ok
}

function description(info: MapInfo & Held, pins: Pins): string {
  return listing([
    ['id', info.id],
    ['name', info.name],
    ['type', info.type],
    ['key', `${info.keySize} bytes`],
    ['value', `${info.valueSize} bytes`],
    ['max entries', info.maxEntries],
    ['flags', `0x${info.flags.toString(16)}`],
    ['BTF', info.btfId || undefined],
    ['interface', info.ifindex || undefined],
    ['held by', holderNames(info.holders)],
    ['pinned', pins?.get(info.id)?.join(' ')],
  ])
}

async function dump(reference: Reference, json: boolean): Promise<number> {
  using map = openAnyMap(reference, { flags: BPF_F_RDONLY })
  if (json) await printJsonArray(entriesOf(map))
  else await printPieces(entryLines(map))
  return exitCodes.ok
}

interface Entry {
  key: unknown
  value: unknown
}

export function* entriesOf(map: OpenMap): Generator<Entry> {
  const shown = presenter(map)
  for (const [key, value] of map) yield shown(key, value)
}

const entryOf = (map: OpenMap, key: unknown, value: unknown): Entry => presenter(map)(key, value)

function printEntry(entry: Entry, json: boolean): void {
  if (json) printJson(entry)
  else print(`${shown(entry.key)}: ${shown(entry.value)}\n`)
}

/** Shows enums by name, and the keys of arrays as numbers. */
function presenter(map: OpenMap): (key: unknown, value: unknown) => Entry {
  const isArray =
    (map.type.endsWith('array') || map.type === 'struct_ops') && map.btfKeyTypeId === 0 && map.keySize === 4
  const { key: keyNamer, value: valueNamer } = namersOf(map)
  return (key, value) => ({
    key: isArray ? indexOf(key) : (keyNamer?.(key) ?? key),
    value: valueNamer?.(value) ?? value,
  })
}

type OpenMap = BpfMap<unknown, unknown>
type Namer = ReturnType<typeof enumNamer>

function namersOf(map: OpenMap): { key: Namer; value: Namer } {
  const { btfId, btfKeyTypeId, btfValueTypeId, btfVmlinuxValueTypeId } = map.info()
  using btf = btfId === 0 ? undefined : Btf.fromId(btfId)
  const namer = (types: BtfTypes | undefined, type: number): Namer =>
    types === undefined || type === 0 ? undefined : enumNamer(types, type)
  const value =
    btfVmlinuxValueTypeId === 0
      ? namer(btf?.types, btfValueTypeId)
      : namer(kernelTypes(), btfVmlinuxValueTypeId)
  return {
    key: namer(btf?.types, btfKeyTypeId),
    value: map.type.includes('percpu') ? eachElement(value) : value,
  }
}

function* entryLines(map: OpenMap): Generator<string> {
  let count = 0
  for (const { key, value } of entriesOf(map)) {
    yield `${shown(key)}: ${shown(value)}\n`
    count++
  }
  yield count === 1 ? '1 entry\n' : `${count} entries\n`
}

/** The key of an array, and of the only entry of a struct_ops map, is an index even if there is no BTF for it. */
function indexOf(key: unknown): unknown {
  return key instanceof Uint8Array ? new Uint32Array(key.slice().buffer)[0] : key
}

export function shown(value: unknown): string {
  if (value instanceof Uint8Array)
    return Buffer.from(value)
      .toString('hex')
      .replace(/..(?!$)/g, '$& ')
  return inspect(value, { depth: 8, breakLength: columns() - 10, maxArrayLength: null })
}
