// The contexts of programs that see packets: struct xdp_md and struct __sk_buff, and the packet that they point to.
import type { Machine } from './machine.js'
import type { Region, VirtualAccess } from './memory.js'

/** Room before the packet that bpf_xdp_adjust_head can take. */
const headroom = 256
/** Room behind the packet that bpf_xdp_adjust_tail can take. */
const tailroom = 512

/** Offsets in struct xdp_md. */
const xdpFields = { ingress_ifindex: 12, rx_queue_index: 16, egress_ifindex: 20 } as const
/** Offsets in struct __sk_buff of the fields of 4 bytes that are only numbers. */
const skbFields = {
  pkt_type: 4,
  mark: 8,
  queue_mapping: 12,
  protocol: 16,
  vlan_present: 20,
  vlan_tci: 24,
  vlan_proto: 28,
  priority: 32,
  ingress_ifindex: 36,
  ifindex: 40,
  tc_index: 44,
  hash: 68,
  tc_classid: 72,
  napi_id: 84,
  family: 88,
  remote_ip4: 92,
  local_ip4: 96,
  remote_port: 132,
  local_port: 136,
  wire_len: 160,
  gso_segs: 164,
  gso_size: 176,
} as const
const skbSize = 192
const tstamp = 152

export type XdpFields = Partial<Record<keyof typeof xdpFields, number>>
export type SkbFields = Partial<Record<keyof typeof skbFields, number>> & {
  /** Five words for the program's own use. */
  cb?: readonly number[]
  /** Nanoseconds. */
  tstamp?: bigint
}

/**
 * A packet with room around it. Its borders move when a program makes it longer or shorter; pointers from before are
 * then invalid.
 */
export class Packet {
  readonly #machine: Machine
  readonly #buffer: number
  readonly #room: number
  #region: Region
  /** Bytes from the start of the buffer. */
  #start = headroom
  #end: number
  #meta = headroom

  constructor(machine: Machine, bytes: Uint8Array) {
    this.#machine = machine
    this.#room = headroom + bytes.length + tailroom
    this.#buffer = machine.memory.scratch(this.#room)
    machine.memory.bytes.set(bytes, this.#buffer + headroom)
    this.#end = headroom + bytes.length
    this.#region = this.#makeRegion()
  }

  /** One region from the metadata to the end, so that data may be compared with data_end and data_meta. */
  #makeRegion(): Region {
    const base = this.#buffer + this.#meta
    return this.#machine.memory.region('packet', 'the packet', this.#end - this.#meta, {
      base,
      temporary: true,
    })
  }

  get length(): number {
    return this.#end - this.#start
  }

  get data(): bigint {
    return this.#machine.memory.pointer(this.#region, this.#start - this.#meta)
  }

  get dataEnd(): bigint {
    return this.#machine.memory.pointer(this.#region, this.#end - this.#meta)
  }

  get dataMeta(): bigint {
    return this.#machine.memory.pointer(this.#region)
  }

  /** A copy of the packet as it is now. */
  bytes(): Uint8Array {
    const { bytes } = this.#machine.memory
    return bytes.slice(this.#buffer + this.#start, this.#buffer + this.#end)
  }

  /** Where a part of the packet is in the linear memory; `undefined` beyond its borders. */
  locate(offset: number, size: number): number | undefined {
    if (offset < 0 || size < 0 || offset + size > this.length) return undefined
    return this.#buffer + this.#start + offset
  }

  /** Moves the borders. Returns false, and moves nothing, if there is no room. */
  move(by: { start?: number; end?: number; meta?: number }, helper: string): boolean {
    const start = this.#start + (by.start ?? 0)
    const end = this.#end + (by.end ?? 0)
    const meta = by.start === undefined ? this.#meta + (by.meta ?? 0) : start
    if (meta < 0 || meta > start || start - meta > 32 + headroom || start + 14 > end || end > this.#room)
      return false
    const { memory } = this.#machine
    if (end > this.#end) memory.bytes.fill(0, this.#buffer + this.#end, this.#buffer + end)
    this.#start = start
    this.#end = end
    this.#meta = meta
    memory.retire(
      this.#region,
      `was changed by ${helper}: its pointers have to be read from the context again`,
    )
    this.#region = this.#makeRegion()
    return true
  }
}

const packets = new WeakMap<Machine, Packet>()

/** The packet of the running program. */
export function packetOf(machine: Machine, helper: string): Packet {
  return packets.get(machine) ?? machine.fault(`${helper}: this program has no packet`)
}

/** Makes the context of an XDP program. Returns a pointer to it. */
export function xdpContext(machine: Machine, packet: Packet, fields: XdpFields = {}): bigint {
  packets.set(machine, packet)
  machine.packetBytes = undefined
  const numbers = new Map<number, bigint>(
    Object.entries(xdpFields).map(([name, at]) => [at, BigInt(fields[name as keyof XdpFields] ?? 0)]),
  )
  const access: VirtualAccess = {
    load(offset, size) {
      if (size !== 4) return undefined
      if (offset === 0) return packet.data
      if (offset === 4) return packet.dataEnd
      if (offset === 8) return packet.dataMeta
      return numbers.get(offset)
    },
    store: () => false,
  }
  return machine.memory.pointer(
    machine.memory.region('context', 'struct xdp_md', 24, { virtual: access, temporary: true }),
  )
}

/** Makes the context of a program that sees socket buffers. `fields` returns what the program leaves in it. */
export function skbContext(
  machine: Machine,
  packet: Packet,
  fields: SkbFields = {},
  protocol = 0,
): { pointer: bigint; fields: () => SkbFields } {
  packets.set(machine, packet)
  machine.packetBytes = () => packet.bytes()
  const view = new DataView(new ArrayBuffer(skbSize))
  for (const [name, at] of Object.entries(skbFields)) {
    view.setUint32(at, fields[name as keyof typeof skbFields] ?? 0, true)
  }
  for (const [i, word] of (fields.cb ?? []).slice(0, 5).entries()) view.setUint32(48 + i * 4, word, true)
  if (fields.protocol === undefined) view.setUint32(skbFields.protocol, protocol, true)
  view.setBigUint64(tstamp, fields.tstamp ?? 0n, true)
  const access: VirtualAccess = {
    load(offset, size) {
      if (size === 4) {
        if (offset === 0) return BigInt(packet.length)
        if (offset === 76) return packet.data
        if (offset === 80) return packet.dataEnd
        if (offset === 140) return packet.dataMeta
      }
      if (offset + size > skbSize) return undefined
      return size === 8 ? view.getBigUint64(offset, true) : BigInt(readSmall(view, offset, size))
    },
    store(offset, size, value) {
      if (offset < 4 || offset + size > skbSize || (offset >= 76 && offset < 84)) return false
      for (let i = 0; i < size; i++) view.setUint8(offset + i, Number((value >> BigInt(8 * i)) & 0xffn))
      return true
    },
  }
  const region = machine.memory.region('context', 'struct __sk_buff', skbSize, {
    virtual: access,
    temporary: true,
  })
  return {
    pointer: machine.memory.pointer(region),
    fields: () => ({
      ...Object.fromEntries(Object.entries(skbFields).map(([name, at]) => [name, view.getUint32(at, true)])),
      cb: Array.from({ length: 5 }, (_, i) => view.getUint32(48 + i * 4, true)),
      tstamp: view.getBigUint64(tstamp, true),
    }),
  }
}

function readSmall(view: DataView, offset: number, size: number): number {
  return size === 1
    ? view.getUint8(offset)
    : size === 2
      ? view.getUint16(offset, true)
      : view.getUint32(offset, true)
}
