// Several XDP programs on one interface, on kernels that do not let programs replace functions of others: each calls the
// next one by a program array of its own, and we change the programs so that they do.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { call, exit, ldMap, mov, r0, r2, r3 } from '../asm/builders.js'
import { assemble, disassemble } from '../asm/instruction.js'
import { buildObject } from '../asm/object-writer.js'
import { BpfMap } from '../maps/map.js'
import { BpfObject } from '../objects/object.js'
import { Program } from '../programs/program.js'
import { chainedProgram } from './chained-program.js'
import {
  BPF_F_XDP_HAS_FRAGS,
  type Component,
  type DriverMode,
  dispatcherError,
  type Place,
  pinFolder,
  swap,
  unpin,
} from './components.js'
import { XDP_PASS } from './program-type.js'

/** A chain that is attached. */
export interface Chain {
  method: 'tail-calls'
  /** The program that calls the first one. */
  program: Program
  mode: DriverMode
  components: Linked[]
  folder: string
}

/** An array with one program. It is set to a program, and returns an id. */
type Next = BpfMap<Uint8Array, unknown>

/** A program, and the array with the one that it calls next. */
export interface Linked extends Component {
  next?: Next
}

const key = new Uint8Array(4)

/** A program array with one slot. */
const createNext = (): Next =>
  BpfMap.create({ type: 'prog_array', name: 'next', keySize: 4, valueSize: 4, maxEntries: 1 })

/** The id of the program in a program array. */
const idIn = (next: Next): number | undefined => next.get(key) as number | undefined

function setNext(next: Next, program: Program | undefined): void {
  if (idIn(next) === program?.id) return
  if (program === undefined) next.delete(key)
  else next.set(key, program)
}

/** The program at the beginning, and the one at the end of several. */
function chainObject(frags: boolean): Uint8Array {
  const section = frags ? 'xdp.frags' : 'xdp'
  return buildObject({
    license: 'GPL',
    maps: { first: { type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 1 } },
    programs: {
      xdp_chain: {
        section,
        instructions: [ldMap(r2, 'first'), mov(r3, 0), call('tail_call'), mov(r0, XDP_PASS), exit()],
      },
      xdp_chain_end: { section, instructions: [mov(r0, XDP_PASS), exit()] },
    },
  })
}

/** The pins of a program, whose name says what we have to remember about it. */
const pinName = ({ program, slot }: Component): string =>
  `${program.id}-${slot.priority}-${slot.actions >>> 0}-${slot.flags}`

/** `undefined` if the program does not begin a chain whose pins are here. */
export function readChain(place: Place, program: Program, mode: DriverMode): Chain | undefined {
  const folder = pinFolder(place, 'tail-calls', program.id)
  if (!existsSync(folder)) return undefined
  const names = readdirSync(folder)
  const components: Linked[] = []
  try {
    using first = BpfMap.fromPin<Uint8Array, unknown>(join(folder, 'first'))
    let id = idIn(first)
    for (let name = nameOf(names, id); name !== undefined; name = nameOf(names, id)) {
      const [, priority, actions, flags] = name.split('-').map(Number)
      const component = Program.fromPin(join(folder, `${name}-prog`))
      const next = BpfMap.fromPin<Uint8Array, unknown>(join(folder, `${name}-next`))
      const slot = { priority: priority!, actions: actions!, flags: flags! }
      components.push({ program: component, name: component.name, slot, next })
      id = idIn(next)
    }
    return { method: 'tail-calls', program, mode, components, folder }
  } catch (error) {
    closeAll(components)
    throw error
  }
}

const nameOf = (names: readonly string[], id: number | undefined): string | undefined =>
  names.find((name) => name.startsWith(`${id}-`) && name.endsWith('-prog'))?.slice(0, -'-prog'.length)

export function closeAll(components: readonly Linked[]): void {
  for (const { program, next } of components) {
    program.close()
    next?.close()
  }
}

/**
 * Makes these programs run in place of those that were found. Packets meet either the old chain or the new one.
 *
 * @returns false if the interface has changed meanwhile
 */
export async function replaceChain(
  place: Place,
  found: Chain | undefined,
  wanted: readonly Linked[],
  mode: DriverMode | undefined,
): Promise<boolean> {
  const frags = hasFrags(wanted[0]!)
  if (wanted.some((component) => hasFrags(component) !== frags))
    throw dispatcherError(
      place,
      'this kernel does not let programs of SEC("xdp.frags") and others run on one interface',
      'EINVAL',
    )
  if (found !== undefined) {
    await link(found.folder, wanted)
    const left = found.components.filter((component) => !wanted.includes(component))
    if (left.length > 0) waitForPackets()
    for (const component of left) unlink(found.folder, component)
    return true
  }
  using object = BpfObject.open(chainObject(frags), { name: 'xdp_chain' })
  await object.load()
  const root = object.program('xdp_chain')
  const folder = pinFolder(place, 'tail-calls', root.id)
  try {
    mkdirSync(folder, { mode: 0o700 })
    object.map('first').pin(join(folder, 'first'))
    object.program('xdp_chain_end').pin(join(folder, 'end'))
    await link(folder, wanted)
    if (swap(place, root, undefined, mode)) return true
    unpin(folder)
    return false
  } catch (error) {
    unpin(folder)
    throw error
  }
}

const hasFrags = ({ slot }: Component): boolean => (slot.flags & BPF_F_XDP_HAS_FRAGS) !== 0

/** Links the programs from the last to the first, so that what packets meet is whole at any time. */
async function link(folder: string, wanted: readonly Linked[]): Promise<void> {
  for (const component of wanted) {
    if (component.load === undefined) continue
    component.next ??= await load(component)
    try {
      component.program.pin(join(folder, `${pinName(component)}-prog`))
      component.next.pin(join(folder, `${pinName(component)}-next`))
    } catch (error) {
      unlink(folder, component)
      throw error
    }
  }
  using end = Program.fromPin(join(folder, 'end'))
  using first = BpfMap.fromPin<Uint8Array, unknown>(join(folder, 'first'))
  // Like libxdp: the action of a single program is final in any case; after several programs, the packet passes.
  let following = wanted.length === 1 ? undefined : end
  for (const { program, next } of [...wanted].reverse()) {
    setNext(next!, following)
    following = program
  }
  setNext(first, following)
}

/** Loads a program that calls the next one, and returns the array for that. */
async function load({ program, slot, prepare, load: loadObject }: Linked): Promise<Next> {
  const next = createNext()
  try {
    await prepare!()
    const code = chainedProgram(disassemble(program.instructions), next.fd, slot.actions)
    if (code === undefined)
      throw new RangeError(
        `program '${program.name}' uses all of its stack; to run others after it, this kernel needs 8 bytes of it`,
      )
    program.instructions = assemble(code)
    await loadObject!()
    return next
  } catch (error) {
    next.close()
    throw error
  }
}

/**
 * Waits until no packet is in the middle of a chain as it was before: the kernel does so when an element of a map of
 * maps changes. The array of a program is emptied when its pin goes.
 */
function waitForPackets(): void {
  using inner = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
  using outer = BpfMap.create<Uint8Array, BpfMap>({
    type: 'array_of_maps',
    keySize: 4,
    valueSize: 4,
    maxEntries: 1,
    innerMap: inner,
  })
  outer.set(key, inner)
}

function unlink(folder: string, component: Linked): void {
  for (const suffix of ['prog', 'next'])
    rmSync(join(folder, `${pinName(component)}-${suffix}`), { force: true })
}

/** Removes the pins of programs that are not in the chain, and returns their names. */
export function unpinUnlinked({ folder, components }: Chain): string[] {
  const wanted = components.map(pinName)
  const stale = readdirSync(folder).filter(
    (name) => /^\d/.test(name) && !wanted.includes(name.replace(/-(prog|next)$/, '')),
  )
  for (const name of stale) rmSync(join(folder, name), { force: true })
  return stale
}
