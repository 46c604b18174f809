// The program that calls several XDP programs in turn, as libxdp's protocol describes it. What it calls are stubs, which
// the programs replace (freplace).
import {
  and32,
  call,
  callFunction,
  exit,
  jeq32,
  jlt,
  ldData,
  ldx,
  lsh32,
  mov,
  mov32,
  r0,
  r1,
  r2,
  r6,
} from '../asm/builders.js'
import { array, struct, u8, u32 } from '../asm/c-types.js'
import { label } from '../asm/edit.js'
import { buildObject } from '../asm/object-writer.js'
import { littleEndian } from '../machine/byte-order.js'
import { mostPrograms, type Slot } from './components.js'
import { XDP_PASS, xdpProgram } from './program-type.js'

/** The versions of the protocol that we speak. They differ in the size of the configuration only. */
export const versions = { oldest: 2, newest: 3 } as const
const magic = 236
/** What a stub returns. */
const stubReturns = 31
const sizes: Readonly<Record<number, number>> = { 2: 124, 3: 128 }

export interface DispatcherConfig {
  version: number
  slots: Slot[]
  frags: boolean
  /** Its programs may use metadata of the device, and run nowhere else. */
  isDeviceBound: boolean
}

/** Offsets in `struct xdp_dispatcher_config`. */
const at = {
  magic: 0,
  version: 1,
  count: 2,
  frags: 3,
  actions: 4,
  priorities: 44,
  flags: 84,
  deviceBound: 124,
} as const

const configType = (version: number) =>
  struct('xdp_dispatcher_config', {
    magic: u8,
    dispatcher_version: u8,
    num_progs_enabled: u8,
    is_xdp_frags: u8,
    chain_call_actions: array(u32, mostPrograms),
    run_prios: array(u32, mostPrograms),
    program_flags: array(u32, mostPrograms),
    ...(version > versions.oldest ? { is_xdp_devbound: u8 } : {}),
  })

function configBytes({ version, slots, frags }: DispatcherConfig): Uint8Array {
  const bytes = new Uint8Array(sizes[version]!)
  const view = new DataView(bytes.buffer)
  bytes.set([magic, version, slots.length, Number(frags)])
  slots.forEach(({ priority, actions, flags }, i) => {
    view.setUint32(at.actions + 4 * i, actions, littleEndian)
    view.setUint32(at.priorities + 4 * i, priority, littleEndian)
    view.setUint32(at.flags + 4 * i, flags, littleEndian)
  })
  return bytes
}

/** The configuration in a map of another dispatcher; `undefined` if the map is not a dispatcher's. */
export function readConfig(bytes: Uint8Array): DispatcherConfig | undefined {
  if (bytes.length < 4 || bytes[at.magic] !== magic) return undefined
  const version = bytes[at.version]!
  const count = bytes[at.count]!
  if (count > mostPrograms || (version <= versions.newest && bytes.length < sizes[versions.oldest]!))
    return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const slots = Array.from({ length: version > versions.newest ? 0 : count }, (_, i) => ({
    actions: view.getUint32(at.actions + 4 * i, littleEndian),
    priority: view.getUint32(at.priorities + 4 * i, littleEndian),
    flags: view.getUint32(at.flags + 4 * i, littleEndian),
  }))
  return {
    version,
    slots,
    frags: bytes[at.frags] === 1,
    isDeviceBound: version > versions.oldest && bytes[at.deviceBound] === 1,
  }
}

/** The bit in the actions of every program: where a program was detached, the stub runs and the next one is called. */
export const stubBit = 2 ** stubReturns

/** Builds an object with a program `xdp_pass` that could replace a function of a dispatcher. */
export const passObject = (): Uint8Array =>
  buildObject({
    programs: { xdp_pass: { section: 'xdp', type: xdpProgram, instructions: [mov(r0, XDP_PASS), exit()] } },
  })

/** Builds the object of a dispatcher with this configuration, which is in its map. Its program is `xdp_dispatcher`. */
export function dispatcherObject(config: DispatcherConfig): Uint8Array {
  const stubs = config.slots.map((_, i) => `prog${i}`)
  return buildObject({
    license: 'GPL',
    globals: { conf: { type: configType(config.version), section: '.rodata', value: configBytes(config) } },
    functions: Object.fromEntries(
      stubs.map((name) => [
        name,
        {
          type: xdpProgram,
          // Replacements may then change the packet's length, too.
          instructions: [mov(r2, 0), call('xdp_adjust_tail'), mov(r0, stubReturns), exit()],
          linkage: 'global' as const,
        },
      ]),
    ),
    programs: {
      xdp_dispatcher: {
        section: config.frags ? 'xdp.frags' : 'xdp',
        type: xdpProgram,
        instructions: [
          mov(r6, r1),
          // Others find the configuration by the map that the program uses.
          ldData(r1, 'conf', at.count),
          ldx('u8', r1, r1),
          jlt(r1, 1, 'pass'),
          ...stubs.flatMap((name, i) => [
            mov(r1, r6),
            callFunction(name),
            mov32(r1, 1),
            lsh32(r1, r0),
            and32(r1, config.slots[i]!.actions),
            jeq32(r1, 0, 'return'),
          ]),
          label('pass', mov(r0, XDP_PASS)),
          label('return', exit()),
        ],
      },
    },
  })
}
