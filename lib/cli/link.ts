import { type Command, exitCodes, Failed } from './command.js'
import {
  holderNames,
  isJson,
  jsonOptions,
  listing,
  oneOf,
  parseOptions,
  print,
  printJson,
  right,
  table,
} from './output.js'
import { detachLink } from './prog-actions.js'
import { find, idOfOne, openLink, pinsOf } from './select.js'
import { targetOf } from './targets.js'
import { linkIn, type Reference, Words } from './words.js'

const options = {
  ...jsonOptions,
  bpffs: { type: 'boolean', short: 'f' },
} as const
const verbs = ['list', 'show', 'pin', 'detach'] as const

export const command: Command = {
  usage: 'list [LINK] | show LINK | pin LINK PATH | detach LINK',
  summary: 'List, pin and detach links: which program is attached where',
  help: `  list [LINK]    list all links, and the processes that hold them
  show LINK      describe one link; without LINK, the same as list
  pin LINK PATH  pin it, so that it outlives the processes that hold it
  detach LINK    detach it, and remove its pins

LINK is an id, 'id ID' or 'pinned PATH'.

  -j, --json   print JSON
  -f, --bpffs  with list and show: also print where they are pinned

Requires CAP_SYS_ADMIN. Programs that are attached without a link are not listed.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [first, ...rest] = positionals
    const verb = oneOf('action', verbs, first ?? 'list')
    const words = new Words(rest)
    const reference = (verb === 'list' || verb === 'show') && words.isEmpty ? undefined : linkIn(words)
    const path = verb === 'pin' ? words.next('PATH') : undefined
    words.end()
    const json = isJson(values)
    const pins = values.bpffs === true ? pinsOf('link') : undefined
    switch (verb) {
      case 'list':
        return list(reference, json, pins)
      case 'show':
        return reference === undefined ? list(reference, json, pins) : show(reference, json, pins)
      case 'pin': {
        using link = openLink(reference!)
        link.pin(path!)
        return exitCodes.ok
      }
      case 'detach': {
        const id = idOfOne('link', reference!)
        detachLink(id, pinsIncluding(reference!, id))
        return exitCodes.ok
      }
    }
  },
}

type Pins = ReadonlyMap<number, readonly string[]> | undefined

/** The pins of a link in the usual place, and the one that names it. */
function pinsIncluding(reference: Reference, id: number): string[] {
  const named = reference.by === 'pinned' ? [reference.text] : []
  return [...new Set([...named, ...(pinsOf('link').get(id) ?? [])])]
}

function list(reference: Reference | undefined, json: boolean, pins: Pins): number {
  const found = find('link', reference)
  if (json) printJson(found.map((info) => (pins ? { ...info, pinned: pins.get(info.id) ?? [] } : info)))
  else {
    print(
      table(
        [right('id'), 'type', right('prog'), 'to', 'held by', ...(pins ? ['pinned'] : [])],
        found.map((info) => [
          info.id,
          info.type,
          info.programId,
          targetOf(info),
          holderNames(info.holders),
          ...(pins ? [pins.get(info.id)?.join(' ')] : []),
        ]),
      ),
    )
  }
  return exitCodes.ok
}

function show(reference: Reference, json: boolean, pins: Pins): number {
  const [info] = find('link', reference)
  if (info === undefined) throw new Failed('there is no such link')
  if (json) {
    printJson(pins ? { ...info, pinned: pins.get(info.id) ?? [] } : info)
    return exitCodes.ok
  }
  const { holders, ...rest } = info
  const pairs: (readonly [string, string])[] = Object.entries(rest).map(
    ([name, value]) =>
      [
        name,
        Array.isArray(value) || ArrayBuffer.isView(value) ? [...(value as never)].join(', ') : String(value),
      ] as const,
  )
  print(
    listing([
      ...pairs,
      ['attached to', targetOf(rest)],
      ['held by', holderNames(holders)],
      ['pinned', pins?.get(info.id)?.join(' ')],
    ]),
  )
  return exitCodes.ok
}
