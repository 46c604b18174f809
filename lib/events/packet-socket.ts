import { constants } from 'node:os'
import type { NativeError, SourceHandle } from '../../types/binding.js'
import { type Interface, interfaceIndex } from '../attach/interface.js'
import type { BpfError } from '../errors/errors.js'
import { littleEndian } from '../machine/byte-order.js'
import { native } from '../native/binding.js'
import { programHandles } from '../native/handles.js'
import type { Program } from '../programs/program.js'
import { EventReader, type EventReaderOptions } from './reader.js'

export interface PacketSocketOptions extends EventReaderOptions {
  /**
   * A SEC("socket") program that returns how many bytes of each packet you get, and 0 for packets that you do not want.
   * By default you get all packets in full.
   */
  filter?: Program
  /** Bytes of memory in which packets wait, 4 MiB by default. It is rounded up to a multiple of `blockSize`. */
  ringSize?: number
  /** Bytes that the kernel hands over at a time, 256 KiB by default: a power of two of at least a page. */
  blockSize?: number
  /** After how many milliseconds the kernel hands over a block that is not full, 10 by default. */
  blockTimeout?: number
  /** Also receives packets for other machines, as far as the network delivers them; false by default. */
  promiscuous?: boolean
  /** Also receives the packets that this machine sends, which is the default. (`false` requires Linux 4.20) */
  outgoing?: boolean
}

/** Where a packet was going. */
export type PacketDirection = 'host' | 'broadcast' | 'multicast' | 'otherhost' | 'outgoing' | 'loopback'

/** A packet as it was on the interface. */
export interface Packet {
  /** Nanoseconds since 1970. */
  time: bigint
  /** The length of the packet in bytes; `data` is shorter if the filter returned less. */
  length: number
  /** The index of the interface. */
  ifindex: number
  direction: PacketDirection
  /** The number of the protocol, such as 0x0800 for IPv4. */
  protocol: number
  /** The VLAN, which the kernel takes out of the packet: its number, priority and protocol. */
  vlan: { tci: number; protocol: number } | undefined
  /** The hash of its flow; 0 if the kernel has not computed one. */
  hash: number
  /** From the Ethernet header on. */
  data: Uint8Array
}

/** PACKET_* of linux/if_packet.h. */
const directions: readonly PacketDirection[] = [
  'host',
  'broadcast',
  'multicast',
  'otherhost',
  'outgoing',
  'loopback',
]

/** The size of the struct Header in binding/packet_socket.cc. */
const headerSize = 32

/**
 * Receives the packets of a network interface through memory that the kernel shares with this process (AF_PACKET,
 * TPACKET_V3; Linux 3.2, requires CAP_NET_RAW). {@link EventReader} explains the ways to read.
 *
 * Packets that find no room in the ring are lost; {@link lost} counts them. `drain` passes 32 bytes in front of each packet:
 * its time (u64), length, interface and hash (u32), protocol (u16), direction and whether there is a VLAN (u8), the VLAN
 * and its protocol (u16), and 4 unused bytes, in the byte order of the machine.
 *
 * Reading ends with the error ENODEV when the interface is removed. If it only goes down, it continues when the interface
 * is up again.
 *
 * @example
 * using packets = new PacketSocket('eth0', { filter: obj.program('only_dns') })
 * for await (const { time, data } of packets) console.log(time, data.length)
 */
export class PacketSocket extends EventReader<Packet> {
  readonly #source: SourceHandle
  readonly #name: string

  /** @param on - the interface; `undefined` for all interfaces of the network namespace of this thread */
  constructor(on: Interface | undefined, options: PacketSocketOptions = {}) {
    const name = on === undefined ? 'all interfaces' : `'${on}'`
    super(`packets of ${name}`, { ...options, decode })
    this.#name = name
    const {
      ringSize = 1 << 22,
      blockSize = 1 << 18,
      blockTimeout = 10,
      promiscuous = false,
      outgoing = true,
    } = options
    if (!Number.isInteger(Math.log2(blockSize)) || blockSize < 4096 || blockSize > 1 << 26)
      throw new RangeError('blockSize is not a power of two between 4096 and 64 MiB')
    if (!Number.isInteger(ringSize) || ringSize < 1) throw new RangeError('ringSize is not a number of bytes')
    if (promiscuous && on === undefined)
      throw new TypeError('promiscuous is for one interface, not for all of them')
    const ifindex = on === undefined ? 0 : interfaceIndex(on)
    const filter = options.filter === undefined ? undefined : programHandles.of(options.filter)
    // Throws before load.
    options.filter?.fd
    const blocks = Math.ceil(ringSize / blockSize)
    this.#source = this.addSource(
      (onReady) =>
        native.packetSocketNew(
          ifindex,
          blockSize,
          blocks,
          blockTimeout,
          promiscuous,
          outgoing,
          filter,
          onReady,
        ),
      { reason: whyNoSocket },
    ).handle
  }

  /** How many packets have passed the filter since the socket was opened, including those that were lost. */
  get received(): bigint {
    return this.#count(0)
  }

  /** How many of them found no room in the ring. */
  get lost(): bigint {
    return this.#count(1)
  }

  /** Bytes of the ring. */
  get size(): number {
    this.expectOpen()
    return native.packetSocketSize(this.#source)
  }

  protected override endError(): BpfError {
    return this.error(`have ended: interface ${this.#name} was removed (ENODEV)`, 'ENODEV')
  }

  #count(which: 0 | 1): bigint {
    this.expectOpen()
    return native.packetSocketStatistics(this.#source)[which]!
  }
}

function decode(view: DataView, offset: number, length: number): Packet {
  const vlan = view.getUint8(offset + 23) === 0 ? undefined : readVlan(view, offset)
  return {
    time: view.getBigUint64(offset, littleEndian),
    length: view.getUint32(offset + 8, littleEndian),
    ifindex: view.getUint32(offset + 12, littleEndian),
    hash: view.getUint32(offset + 16, littleEndian),
    protocol: view.getUint16(offset + 20, littleEndian),
    direction: directions[view.getUint8(offset + 22)] ?? 'otherhost',
    vlan,
    data: new Uint8Array(view.buffer, view.byteOffset + offset + headerSize, length - headerSize).slice(),
  }
}

function readVlan(view: DataView, offset: number): NonNullable<Packet['vlan']> {
  return {
    tci: view.getUint16(offset + 24, littleEndian),
    protocol: view.getUint16(offset + 26, littleEndian),
  }
}

function whyNoSocket({ errno }: NativeError): string | undefined {
  const { EINVAL, ENODEV, ENOMEM, ENOPROTOOPT, EPERM } = constants.errno
  if (errno === EPERM)
    return 'not permitted, it requires CAP_NET_RAW (run it as root or give it this capability)'
  if (errno === ENODEV) return 'no such interface'
  if (errno === ENOMEM) return 'the kernel has no memory for the ring; make ringSize smaller'
  if (errno === ENOPROTOOPT) return 'outgoing: false requires Linux 4.20'
  return errno === EINVAL
    ? 'blockSize is not a multiple of a page, or the filter is not a SEC("socket") program'
    : undefined
}
