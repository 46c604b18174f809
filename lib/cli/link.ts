import { type Held, linkInfo, listLinks } from '../kernel/inventory.js'
import { isGone, type LinkInfo } from '../links/link-info.js'
import { type Command, exitCodes } from './command.js'
import {
  actionOf,
  holderNames,
  idOf,
  listing,
  parseOptions,
  print,
  printJson,
  right,
  table,
} from './output.js'

const options = { json: { type: 'boolean' } } as const

export const command: Command = {
  usage: 'list | show ID',
  summary: 'List the links in the kernel: which program is attached where',
  help: `  list       list all links, and the processes that hold them
  show ID    describe one link

      --json  print JSON

Requires CAP_SYS_ADMIN. Programs that are attached without a link are not listed.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [verb, id] = actionOf(['list', 'show'] as const, positionals)
    const json = values.json === true
    return verb === 'list' ? list(json) : show(idOf(id), json)
  },
}

function list(json: boolean): number {
  const found = [...listLinks({ holders: true })]
  if (json) printJson(found)
  else {
    print(
      table(
        [right('id'), 'type', right('prog'), 'to', 'held by'],
        found.map((info) => [info.id, info.type, info.programId, target(info), holderNames(info.holders)]),
      ),
    )
  }
  return exitCodes.ok
}

function show(id: number, json: boolean): number {
  const info: LinkInfo & Held =
    [...listLinks({ holders: true })].find((info) => info.id === id) ?? linkInfo(id)
  if (json) {
    printJson(info)
    return exitCodes.ok
  }
  const { holders, ...rest } = info
  const pairs = Object.entries(rest).map(
    ([name, value]) =>
      [
        name,
        Array.isArray(value) || ArrayBuffer.isView(value) ? [...(value as never)].join(', ') : String(value),
      ] as const,
  )
  print(listing([...pairs, ['held by', holderNames(holders)]]))
  return exitCodes.ok
}

/** Describes the target of a link in a few words. */
function target(info: LinkInfo): string {
  const { name, path, attachType, ifindex, cgroupId, netnsInode, mapId } = info as Record<string, unknown> &
    LinkInfo
  const where = [
    name,
    path,
    attachType,
    ifindex ? `interface ${ifindex}` : undefined,
    cgroupId ? `cgroup ${cgroupId}` : undefined,
    netnsInode ? `netns ${netnsInode}` : undefined,
    isGone(info) ? 'gone' : undefined,
    mapId !== undefined ? `map ${mapId}` : undefined,
  ]
  return where.filter((word) => word !== undefined && word !== '').join(' ')
}
