import { inspect } from 'node:util'
import type { MapInfo } from '../map.js'
import { openMap } from '../open-map.js'
import { type Held, mapInfo, maps } from '../system.js'
import { type Command, exitCodes } from './command.js'
import {
  columns,
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

const options = { json: { type: 'boolean' } } as const
const verbs = ['list', 'show', 'dump'] as const

export const command: Command = {
  usage: 'list | show ID | dump ID',
  summary: 'The maps in the kernel, and what is in them',
  help: `  list       all of them, with the processes that hold them
  show ID    one
  dump ID    its entries, decoded by the BTF that it came with; bytes without

      --json  for programs: an array of { key, value }; bytes are hexadecimal digits

Needs CAP_SYS_ADMIN.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [verb, id] = positionals
    const json = values.json === true
    switch (oneOf('action', verbs, verb)) {
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
  const found = [...maps({ holders: true })]
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
  const info: MapInfo & Held = [...maps({ holders: true })].find((info) => info.id === id) ?? mapInfo(id)
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

function dump(id: number, json: boolean): number {
  using map = openMap(id)
  const isArray = map.type.endsWith('array') && map.btfKeyTypeId === 0 && map.keySize === 4
  const entries = [...map].map(([key, value]) => ({ key: isArray ? indexOf(key) : key, value }))
  if (json) printJson(entries)
  else {
    for (const { key, value } of entries) print(`${shown(key)}: ${shown(value)}\n`)
    print(entries.length === 1 ? '1 entry\n' : `${entries.length} entries\n`)
  }
  return exitCodes.ok
}

/** The key of an array is its index, whether BTF says so or not. */
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
