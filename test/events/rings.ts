// Any number of ring buffers, and a producer that writes to one of them (test/bpf/events-rings.bpf.c).
import { setImmediate as turn } from 'node:timers/promises'
import { BpfMap, type BpfObject, RingBuffer, type RingBufferOptions } from 'libbpf-node'
import { load } from '../helpers/objects.js'

export interface Numbered {
  number: bigint
  ring: number
}

/** Bytes per record in a ring, including its header. */
export const recordBytes = 24

export const BPF_RB_NO_WAKEUP = 1

const packet = new Uint8Array(64)

export class Rings implements Disposable {
  readonly object: BpfObject
  readonly maps: BpfMap[]

  constructor({ rings = 1, bytes = 1 << 16 } = {}) {
    this.object = load('events-rings')
    this.maps = Array.from({ length: rings }, (_, i) =>
      BpfMap.create({ type: 'ringbuf', name: `ring${i}`, keySize: 0, valueSize: 0, maxEntries: bytes }),
    )
    const outer = this.object.map<number>('rings').raw
    for (const [i, map] of this.maps.entries()) {
      outer.set(new Uint8Array(Uint32Array.of(i).buffer), new Uint8Array(Uint32Array.of(map.fd).buffer))
    }
  }

  /** Writes records, which are numbered across all rings. Returns how many of them fit. */
  produce(count: number, { ring = 0, flags = 0 } = {}): number {
    const { bss } = this.object
    bss.target = ring
    bss.flags = flags
    const before = bss.sent as bigint
    if (count > 0) this.object.program('produce').testRunSync({ data: packet, repeat: count })
    return Number((bss.sent as bigint) - before)
  }

  /** Writes records to the same ring on another thread. */
  async produceMeanwhile(count: number): Promise<void> {
    await this.object.program('produce').testRun({ data: packet, repeat: count })
  }

  /** Opens a reader of the first `rings` rings. */
  reader(options: RingBufferOptions<Numbered> = {}, rings = this.maps.length): RingBuffer<Numbered> {
    const reader = this.readerOf(this.maps[0]!, options)
    for (const map of this.maps.slice(1, rings)) reader.add(map)
    return reader
  }

  readerOf(map: BpfMap, options: RingBufferOptions<Numbered> = {}): RingBuffer<Numbered> {
    return new RingBuffer<Numbered>(map, { codec: this.object.codec('record'), ...options })
  }

  [Symbol.dispose](): void {
    for (const map of this.maps) map.close()
    this.object.close()
  }
}

/** Lets the event loop turn several times, so that everything that is ready is handled. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) {
    await turn()
    // This includes timers of a millisecond.
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

export const numbers = (records: readonly Numbered[]): number[] => records.map(({ number }) => Number(number))

export const upTo = (count: number, first = 0): number[] => Array.from({ length: count }, (_, i) => first + i)
