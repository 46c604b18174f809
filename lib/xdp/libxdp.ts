// The protocol by which libxdp and its users share an interface: a dispatcher whose functions are replaced by their
// programs (freplace), with pins in a folder that is named after both.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BpfError } from '../errors/errors.js'
import type { Link } from '../links/link.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import { BpfMap } from '../maps/map.js'
import { BpfObject } from '../objects/object.js'
import { Program } from '../programs/program.js'
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
import {
  type DispatcherConfig,
  dispatcherObject,
  passObject,
  readConfig,
  stubBit,
  versions,
} from './dispatcher-object.js'

/** A dispatcher that is attached. */
export interface Dispatcher {
  method: 'freplace'
  program: Program
  mode: DriverMode
  version: number
  components: Component[]
}

/** `undefined` if the program is no dispatcher. */
export function readDispatcher(place: Place, program: Program, mode: DriverMode): Dispatcher | undefined {
  const config = configOf(program)
  if (config === undefined) return undefined
  const { version, slots, isDeviceBound } = config
  if (version < versions.oldest || version > versions.newest)
    throw dispatcherError(
      place,
      `it speaks version ${version} of the protocol, and this library versions ${versions.oldest} and ${versions.newest}`,
      'ENOTSUP',
    )
  if (isDeviceBound)
    throw dispatcherError(place, 'its programs are bound to the device, which is not supported', 'ENOTSUP')
  const folder = pinFolder(place, 'freplace', program.id)
  const components: Component[] = []
  try {
    slots.forEach((slot, i) => {
      const component = Program.fromPin(join(folder, `prog${i}-prog`))
      components.push({ program: component, slot, name: component.name })
    })
  } catch (error) {
    for (const component of components) component.program.close()
    throw error
  }
  return { method: 'freplace', program, mode, version, components }
}

/** The configuration of a dispatcher; `undefined` if the program is none. */
function configOf(program: Program): DispatcherConfig | undefined {
  const { mapIds } = program.info()
  if (program.name !== 'xdp_dispatcher' || mapIds.length !== 1) return undefined
  using map = BpfMap.fromId(mapIds[0]!)
  if (map.type !== 'array' || map.maxEntries !== 1) return undefined
  const value = map.raw.get(new Uint8Array(4))
  return value === undefined ? undefined : readConfig(value)
}

/**
 * Attaches a dispatcher for these programs in place of the one that was found.
 *
 * @returns false if the interface has changed meanwhile
 */
export async function replaceDispatcher(
  place: Place,
  found: Dispatcher | undefined,
  wanted: readonly Component[],
  { mode, version }: { mode: DriverMode | undefined; version: number },
): Promise<boolean> {
  const frags =
    !kernelIsOlderThan('5.18') && wanted.every(({ slot }) => (slot.flags & BPF_F_XDP_HAS_FRAGS) !== 0)
  const slots = wanted.map(({ slot }) => slot)
  const config = { version: found?.version ?? version, slots, frags, isDeviceBound: false }
  using object = BpfObject.open(dispatcherObject(config), { name: 'xdp_dispatcher' })
  await object.load()
  const dispatcher = object.program('xdp_dispatcher')
  const folder = pinFolder(place, 'freplace', dispatcher.id)
  const links: Link[] = []
  try {
    mkdirSync(folder, { mode: 0o700 })
    for (const [i, component] of wanted.entries()) {
      // Like libxdp: the only program replaces the whole dispatcher, so that its action is final in any case.
      const link = await attachTo(dispatcher, wanted.length === 1 ? 'xdp_dispatcher' : `prog${i}`, component)
      links.push(link)
      link.pin(join(folder, `prog${i}-link`))
      component.program.pin(join(folder, `prog${i}-prog`))
    }
    if (swap(place, dispatcher, found?.program, found?.mode ?? mode)) {
      if (found !== undefined) unpin(pinFolder(place, 'freplace', found.program.id))
      return true
    }
    unpin(folder)
    return false
  } catch (error) {
    unpin(folder)
    throw error
  } finally {
    // A pinned link stays.
    for (const link of links) link.close()
  }
}

async function attachTo(
  dispatcher: Program,
  stub: string,
  { program, load }: Pick<Component, 'program' | 'load'>,
): Promise<Link> {
  if (load !== undefined && !program.loaded) {
    program.type = 'ext'
    // Its number is 0, which programs that replace others must have.
    program.expectedAttachType = 'cgroup_inet_ingress'
    program.flags &= ~BPF_F_XDP_HAS_FRAGS
    program.setAttachTarget(stub, dispatcher)
    await load()
  }
  return program.attachFreplace(dispatcher, stub)
}

let works: Promise<boolean> | undefined

/** Whether the kernel lets programs replace functions of others. */
export function freplaceWorks(): Promise<boolean> {
  works ??= tryFreplace()
  return works
}

async function tryFreplace(): Promise<boolean> {
  // Before 5.10 a program cannot be attached to a second dispatcher.
  if (kernelIsOlderThan('5.10')) return false
  const slots = [{ priority: 0, actions: stubBit, flags: 0 }]
  const config = { version: versions.newest, slots, frags: false, isDeviceBound: false }
  using target = BpfObject.open(dispatcherObject(config))
  using object = BpfObject.open(passObject())
  try {
    await target.load()
    const program = object.program('xdp_pass')
    const load = () => object.load()
    using _link = await attachTo(target.program('xdp_dispatcher'), 'prog0', { program, load })
    return true
  } catch (error) {
    if (error instanceof BpfError) return false
    throw error
  }
}
