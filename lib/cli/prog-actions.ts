// What `libbpf-node prog` does with programs: load, attach, detach, pin, run.
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { detachFlowDissector, detachSockmap } from '../attach/detach.js'
import { attachSockmapWithoutLink } from '../attach/sockmap.js'
import { BpfError } from '../errors/errors.js'
import { listLinks } from '../kernel/inventory.js'
import { attachablePrograms } from '../links/attachment.js'
import { Link } from '../links/link.js'
import { BpfObject } from '../objects/object.js'
import type { Program } from '../programs/program.js'
import { exitCodes, Failed, UsageError, visible } from './command.js'
import { oneOf, print, printJson } from './output.js'
import { idOfOne, openAnyMap, openProgram, pinsOf } from './select.js'
import { mapIn, programIn, type Reference, type Words } from './words.js'

/** `load OBJ PATH`, or `loadall OBJ DIR`: libbpf pins what it loads. */
export async function load(words: Words, isAll: boolean): Promise<number> {
  const file = words.next('OBJ')
  const path = words.next(isAll ? 'DIR' : 'PATH')
  const replaced = new Map<string, Reference>()
  let type: string | undefined
  let maps: string | undefined
  let autoattach = false
  while (!words.isEmpty) {
    if (words.skip('type')) type = words.next('TYPE')
    else if (words.skip('pinmaps')) maps = words.next('MAP_DIR')
    else if (words.skip('autoattach')) autoattach = true
    else if (words.skip('map')) {
      words.expect('name')
      const name = words.next('NAME')
      replaced.set(name, mapIn(words))
    } else words.end()
  }
  using object = BpfObject.open(file)
  const [first] = object.programs.values()
  if (first === undefined) throw new Failed(`${file} has no program`)
  const programs = isAll ? [...object.programs.values()] : [first]
  for (const program of object.programs.values()) program.autoload = programs.includes(program)
  // SEC() says it better, so this is for sections that libbpf does not know.
  if (type !== undefined) for (const program of programs) program.type = type as Program['type']
  for (const [name, reference] of replaced) {
    using map = openAnyMap(reference)
    object.map(name).reuse(map)
  }
  await object.load()
  if (maps !== undefined) object.pinMaps(maps)
  const made: (() => void)[] = maps === undefined ? [] : [() => object.unpinMaps(maps)]
  try {
    for (const program of programs)
      made.push(keep(program, isAll ? `${path}/${program.name}` : path, autoattach))
  } catch (error) {
    for (const undo of made) undo()
    throw error
  }
  return exitCodes.ok
}

/** Pins the program or, with autoattach, its link, which outlives this process. Returns how to undo that. */
function keep(program: Program, path: string, autoattach: boolean): () => void {
  const link = autoattach ? program.tryAttach() : undefined
  if (link === undefined) {
    program.pin(path)
    return () => program.unpin(path)
  }
  link.pin(path)
  return () => link.unpin()
}

/** What bpftool attaches without a link: to sockmaps, and to the network namespace. */
const sockmapTypes = [
  'sk_skb_stream_parser',
  'sk_skb_stream_verdict',
  'sk_skb_verdict',
  'sk_msg_verdict',
] as const
type SockmapType = (typeof sockmapTypes)[number]
/** Its older words for them. */
const shorter: Readonly<Record<string, SockmapType>> = {
  msg_verdict: 'sk_msg_verdict',
  skb_verdict: 'sk_skb_verdict',
  stream_verdict: 'sk_skb_stream_verdict',
  stream_parser: 'sk_skb_stream_parser',
}

/** Reads `TYPE [MAP]`; `undefined` if the next word is no such type. */
function placeIn(
  words: Words,
): { type: SockmapType; map: Reference } | { type: 'flow_dissector' } | undefined {
  const { first = '' } = words
  if (first === 'flow_dissector') {
    words.next('TYPE')
    words.end()
    return { type: first }
  }
  const type = sockmapTypes.find((name) => name === (shorter[first] ?? first))
  if (type === undefined) return undefined
  words.next('TYPE')
  const map = mapIn(words)
  words.end()
  return { type, map }
}

/** `attach PROG SECTION [dev NAME | cgroup PATH | map MAP] pin PATH`, or `attach PROG TYPE [MAP]` */
export function attach(words: Words): number {
  const reference = programIn(words)
  const fixed = words.has('pin') ? undefined : placeIn(words)
  if (fixed !== undefined) {
    if (fixed.type === 'flow_dissector')
      throw new UsageError("a flow dissector is attached with a link: 'pin PATH' says where to pin it")
    using program = openProgram(reference)
    using map = openAnyMap(fixed.map)
    attachSockmapWithoutLink(attachablePrograms.of(program), map, fixed.type).disconnect()
    return exitCodes.ok
  }
  const section = words.next('SECTION')
  const place = words.first
  const where =
    words.skip('dev') || words.skip('cgroup') || words.skip('netns')
      ? words.next(place!.toUpperCase())
      : undefined
  const map = words.skip('map') ? mapIn(words) : undefined
  words.expect('pin')
  const path = words.next('PATH')
  words.end()
  using program = openProgram(reference, { section })
  const link = attachAt(program, section, place, where, map)
  link.pin(path)
  return exitCodes.ok
}

function attachAt(
  program: Program,
  section: string,
  place: string | undefined,
  where: string | undefined,
  map: Reference | undefined,
): Link {
  if (place === 'cgroup' && where !== undefined) return program.attachCgroup(where)
  if (map !== undefined) {
    using opened = openAnyMap(map)
    return program.attachSockmap(opened)
  }
  if (section === 'flow_dissector' || section === 'sk_lookup') return program.attachNetns(where)
  if (place !== 'dev' || where === undefined) return program.attach()
  const [kind = '', direction] = section.split('/')
  switch (kind) {
    case 'xdp':
      return program.attachXdp(where)
    case 'tcx':
      return program.attachTcx(where)
    case 'tc':
    case 'classifier':
      return program.attachTcx(where, { direction: direction === 'egress' ? 'egress' : 'ingress' })
    case 'netkit':
      return program.attachNetkit(where)
    default:
      throw new UsageError(`SEC("${section}") programs are not attached to a device`)
  }
}

/**
 * Detaches the links of a program, those that the kernel does not detach with their pins; or what is attached without a
 * link: `detach PROG TYPE [MAP]`.
 */
export function detach(words: Words): number {
  const reference = programIn(words)
  const place = placeIn(words)
  if (place !== undefined) {
    using program = openProgram(reference)
    if (place.type === 'flow_dissector') detachFlowDissector(program)
    else {
      using map = openAnyMap(place.map)
      detachSockmap(map, place.type, program)
    }
    return exitCodes.ok
  }
  const id = idOfOne('program', reference)
  words.end()
  const links = [...listLinks()].filter(({ programId }) => programId === id)
  if (links.length === 0) throw new Failed(`program ${id} has no link`)
  const pins = pinsOf('link')
  for (const { id } of links) detachLink(id, pins.get(id) ?? [])
  return exitCodes.ok
}

export function detachLink(id: number, pins: readonly string[]): void {
  using link = Link.fromId(id)
  try {
    link.detach()
  } catch (error) {
    const isUnable =
      error instanceof BpfError && ['ENOTSUP', 'EOPNOTSUPP', 'ENOTSUPP', 'EINVAL'].includes(error.code)
    if (!isUnable) throw error
    if (pins.length === 0)
      throw new Failed(
        `link ${id}: the kernel does not detach such a link; it ends with the process that holds it`,
      )
  }
  for (const path of pins) unlinkSync(path)
}

/** `tracelog [stdout|stderr PROG]` */
export async function tracelog(words: Words, json: boolean): Promise<number> {
  if (words.isEmpty) return (await import('./tracelog.js')).command.run(json ? ['--json'] : [])
  const stream = oneOf('stream', ['stdout', 'stderr'] as const, words.next('stream'))
  const reference = programIn(words)
  words.end()
  using program = openProgram(reference)
  const text = program.readStream(stream)
  if (json) printJson({ [stream]: text })
  else print(text.split('\n').map(visible).join('\n'))
  return exitCodes.ok
}

export function pin(words: Words): number {
  const reference = programIn(words)
  const path = words.next('PATH')
  words.end()
  using program = openProgram(reference)
  program.pin(path)
  return exitCodes.ok
}

/** `run PROG [data_in FILE] [data_out FILE] [data_size_out N] [ctx_in FILE] [ctx_out FILE] [ctx_size_out N] [repeat N]` */
export async function run(words: Words, json: boolean): Promise<number> {
  const reference = programIn(words)
  const files = new Map<string, string>()
  const numbers = new Map<string, number>()
  while (!words.isEmpty) {
    const word = words.next('option')
    if (['data_in', 'data_out', 'ctx_in', 'ctx_out'].includes(word)) files.set(word, words.next('FILE'))
    else if (['data_size_out', 'ctx_size_out', 'repeat'].includes(word)) numbers.set(word, words.number(word))
    else throw new UsageError(`unexpected argument '${word}'`)
  }
  const bytesIn = (name: string) => {
    const file = files.get(name)
    return file === undefined ? undefined : new Uint8Array(readFileSync(file === '-' ? 0 : file))
  }
  const [data, context] = [bytesIn('data_in'), bytesIn('ctx_in')]
  using program = openProgram(reference)
  const result = await program.testRun({
    ...(data && { data }),
    ...(context && { context }),
    ...sizes(numbers),
  })
  const { retval, duration } = result
  const outputs = [
    ['data_out', result.data],
    ['ctx_out', result.context],
  ] as const
  for (const [name, bytes] of outputs) {
    const file = files.get(name)
    if (file !== undefined && file !== '-') writeFileSync(file, bytes)
  }
  const shown = outputs.filter(([name]) => files.get(name) === '-')
  if (json) printJson({ retval, duration, ...Object.fromEntries(shown) })
  else {
    const repeat = numbers.get('repeat') ?? 1
    print(`Return value: ${retval}, duration${repeat > 1 ? ' (average)' : ''}: ${duration}ns\n`)
    for (const [name, bytes] of shown) print(`${visible(name)}: ${Buffer.from(bytes).toString('hex')}\n`)
  }
  return exitCodes.ok
}

function sizes(numbers: ReadonlyMap<string, number>): {
  dataOutSize?: number
  contextOutSize?: number
  repeat?: number
} {
  const [dataOutSize, contextOutSize, repeat] = ['data_size_out', 'ctx_size_out', 'repeat'].map((name) =>
    numbers.get(name),
  )
  return {
    ...(dataOutSize !== undefined && { dataOutSize }),
    ...(contextOutSize !== undefined && { contextOutSize }),
    ...(repeat !== undefined && { repeat }),
  }
}
