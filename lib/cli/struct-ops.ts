import { join } from 'node:path'
import { BPF_F_LINK } from '../attach/anchor.js'
import { listLinks } from '../kernel/inventory.js'
import { kernelTypes } from '../machine/kernel-types.js'
import { BpfObject } from '../objects/object.js'
import { type Command, exitCodes, Failed, visible } from './command.js'
import { entriesOf, shown } from './map.js'
import { isJson, jsonOptions, oneOf, parseOptions, print, printJson, right, table } from './output.js'
import { detachLink } from './prog-actions.js'
import { find, idOfOne, openAnyMap, pinsOf } from './select.js'
import { mapIn, type Reference, Words } from './words.js'

const verbs = ['show', 'list', 'dump', 'register', 'unregister'] as const

export const command: Command = {
  usage: 'list [MAP] | dump [MAP] | register OBJ [LINK_DIR] | unregister MAP',
  summary: 'List, register and unregister struct_ops: programs that are functions of the kernel',
  help: `  list [MAP]               list the struct_ops maps in the kernel, or those that match
  dump [MAP]               print their values: the name, the flags, and the ids of the programs
  register OBJ [LINK_DIR]  load an object file, and register all of its struct_ops maps. Those of SEC(".struct_ops.link")
                           stay as long as their link, which is pinned to LINK_DIR/NAME; others, of SEC(".struct_ops"),
                           stay until they are unregistered
  unregister MAP           unregister a map: detach its link and remove the pin, or delete its value

MAP is an id, 'id ID', 'pinned PATH' or 'name NAME'. show is another word for list.

  -j, --json  print JSON

Requires CAP_SYS_ADMIN and Linux 5.6; links require 6.4.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, jsonOptions)
    const [first, ...rest] = positionals
    const verb = oneOf('action', verbs, first ?? 'list')
    const words = new Words(rest)
    const json = isJson(values)
    if (verb === 'register') return register(words, json)
    const reference = words.isEmpty && verb !== 'unregister' ? undefined : mapIn(words)
    words.end()
    if (verb === 'unregister') return unregister(reference!)
    return verb === 'dump' ? dump(reference, json) : list(reference, json)
  },
}

const structOps = (reference: Reference | undefined) => {
  const found = find('map', reference).filter(({ type }) => type === 'struct_ops')
  if (reference !== undefined && found.length === 0) throw new Failed('the map is not of type struct_ops')
  return found
}

/** The struct of the kernel, such as tcp_congestion_ops. */
function kindOf(id: number): string | undefined {
  using map = openAnyMap({ by: 'id', id })
  return kernelTypes()
    ?.type(map.info().btfVmlinuxValueTypeId)
    .name.replace(/^bpf_struct_ops_/, '')
}

function list(reference: Reference | undefined, json: boolean): number {
  const found = structOps(reference).map(({ id, name }) => ({ id, name, kernel_struct_ops: kindOf(id) }))
  if (json) printJson(found)
  else
    print(
      table(
        [right('id'), 'name', 'kind'],
        found.map((one) => [one.id, one.name, one.kernel_struct_ops]),
      ),
    )
  return exitCodes.ok
}

function dump(reference: Reference | undefined, json: boolean): number {
  const found = structOps(reference).map(({ id, name }) => {
    using map = openAnyMap({ by: 'id', id })
    const [entry] = entriesOf(map)
    return { id, name, kernel_struct_ops: kindOf(id), value: entry?.value }
  })
  if (json) printJson(found)
  else {
    const texts = found.map(
      ({ id, name, kernel_struct_ops: kind, value }) => `${id}: ${kind} ${visible(name)}\n${shown(value)}\n`,
    )
    print(texts.join('\n'))
  }
  return exitCodes.ok
}

async function register(words: Words, json: boolean): Promise<number> {
  const file = words.next('OBJ')
  const folder = words.isEmpty ? undefined : words.next('LINK_DIR')
  words.end()
  using object = BpfObject.open(file)
  const maps = [...object.maps.values()].filter(({ type }) => type === 'struct_ops')
  if (maps.length === 0) throw new Failed(`${file} has no struct_ops map`)
  await object.load()
  const linked = maps.find((map) => hasLink(map.info().flags))
  if (linked !== undefined && folder === undefined)
    throw new Failed(
      `LINK_DIR missing: '${linked.name}' is registered as long as its link, which has to be pinned`,
    )
  const registered = maps.map((map) => {
    const link = map.attachStructOps()
    if (hasLink(map.info().flags)) link.pin(join(folder!, map.name))
    else link.disconnect()
    return { id: map.id, name: map.name, kernel_struct_ops: kindOf(map.id) }
  })
  if (json) printJson(registered)
  else
    for (const { id, name, kernel_struct_ops: kind } of registered)
      print(`Registered ${kind} ${name} id ${id}\n`)
  return exitCodes.ok
}

const hasLink = (flags: number): boolean => (flags & BPF_F_LINK) !== 0

function unregister(reference: Reference): number {
  const [found] = structOps({ by: 'id', id: idOfOne('map', reference) })
  const { id, name } = found!
  const links = [...listLinks()].filter((link) => link.type === 'struct_ops' && link.mapId === id)
  const pins = pinsOf('link')
  for (const link of links) detachLink(link.id, pins.get(link.id) ?? [])
  if (links.length === 0) {
    using map = openAnyMap({ by: 'id', id })
    if (!map.raw.delete(new Uint8Array(4))) throw new Failed(`'${name}' is not registered`)
  }
  return exitCodes.ok
}
