import { inspect } from 'node:util'
import { Btf } from '../btf/btf.js'
import type { BtfTypes } from '../btf/parse.js'
import { type Held, listMaps, mapInfo } from '../kernel/inventory.js'
import { kernelTypes } from '../machine/kernel-types.js'
import { openMap } from '../maps/open-map.js'
import type { MapInfo } from '../maps/types.js'
import { type Command, exitCodes } from './command.js'
import { eachElement, enumNamer } from './enum-names.js'
import {
  actionOf,
  columns,
  holderNames,
  idOf,
  listing,
  parseOptions,
  print,
  printJson,
  printJsonArray,
  printPieces,
  right,
  table,
} from './output.js'

const options = { json: { type: 'boolean' } } as const
const verbs = ['list', 'show', 'dump'] as const

export const command: Command = {
  usage: 'list | show ID | dump ID',
  summary: 'List the maps in the kernel, and print their entries',
  help: `  list       list all maps, and the processes that hold them
  show ID    describe one map
  dump ID    print its entries, decoded with the map's BTF; without BTF, as bytes

      --json  print JSON; dump prints an array of { key, value }, with bytes in hexadecimal

Requires CAP_SYS_ADMIN.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [verb, id] = actionOf(verbs, positionals)
    const json = values.json === true
    switch (verb) {
      case 'list':
        return list(json)
      case 'show':
        return show(idOf(id), json)
      case 'dump':
        return dump(idOf(id), json)
    }
  },
}

function list(json: boolean): number {
  const found = [...listMaps({ holders: true })]
  if (json) printJson(found)
  else {
    print(
      table(
        [right('id'), 'type', 'name', right('key'), right('value'), right('entries'), 'held by'],
        found.map((info) => [
          info.id,
          info.type,
          info.name,
          info.keySize,
          info.valueSize,
          info.maxEntries,
          holderNames(info.holders),
        ]),
      ),
    )
  }
  return exitCodes.ok
}

function show(id: number, json: boolean): number {
  const info: MapInfo & Held = [...listMaps({ holders: true })].find((info) => info.id === id) ?? mapInfo(id)
  if (json) printJson(info)
  else {
    print(
      listing([
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
      ]),
    )
  }
  return exitCodes.ok
}

async function dump(id: number, json: boolean): Promise<number> {
  using map = openMap(id)
  if (json) await printJsonArray(entriesOf(map))
  else await printPieces(entryLines(map))
  return exitCodes.ok
}

interface Entry {
  key: unknown
  value: unknown
}

function* entriesOf(map: OpenMap): Generator<Entry> {
  const isArray =
    (map.type.endsWith('array') || map.type === 'struct_ops') && map.btfKeyTypeId === 0 && map.keySize === 4
  const { key: keyNamer, value: valueNamer } = namersOf(map)
  for (const [key, value] of map) {
    yield {
      key: isArray ? indexOf(key) : (keyNamer?.(key) ?? key),
      value: valueNamer?.(value) ?? value,
    }
  }
}

type OpenMap = ReturnType<typeof openMap>
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

function shown(value: unknown): string {
  if (value instanceof Uint8Array)
    return Buffer.from(value)
      .toString('hex')
      .replace(/..(?!$)/g, '$& ')
  return inspect(value, { depth: 8, breakLength: columns() - 10, maxArrayLength: null })
}
