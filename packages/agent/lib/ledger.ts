// How far the events of a ring have been delivered, in a pinned map. The ring itself knows how far it was read. If the
// agent is killed, the next one can tell from both how much was read but not delivered, and counts it as lost.
import { existsSync } from 'node:fs'
import { BpfMap, type RingBuffer } from 'libbpf-node'

/** Bytes of a record's header. Records are padded to a multiple of it. */
const header = 8
/** Where the numbers are in the map's only value, which the kernel writes at once. */
const delivered = 0
const lost = 8
const valueSize = 16

export class RingLedger implements Disposable {
  readonly #map: BpfMap
  readonly #recordBytes: bigint
  readonly #key = new Uint8Array(4)
  readonly #value = new DataView(new ArrayBuffer(valueSize))

  /**
   * @param path - where its map is pinned
   * @param recordSize - bytes of a record, which is the same for all records of the ring
   */
  constructor(path: string, ring: RingBuffer<unknown>, recordSize: number) {
    this.#recordBytes = BigInt(header + Math.ceil(recordSize / header) * header)
    const consumed = ring.consumerPosition
    const isNew = !existsSync(path)
    this.#map = isNew ? create(path) : BpfMap.fromPin(path)
    const before = this.#map.get(this.#key)!
    new Uint8Array(this.#value.buffer).set(before)
    const until = this.#value.getBigUint64(delivered, true)
    // A new ring begins at 0. If nobody kept a record of the ring, nothing counts as lost.
    if (!isNew && until <= consumed) this.#add(lost, (consumed - until) / this.#recordBytes)
    this.#value.setBigUint64(delivered, consumed, true)
    this.#write()
  }

  /** Records that an agent had read, but not delivered when it was killed. */
  get lost(): bigint {
    return this.#value.getBigUint64(lost, true)
  }

  /** Notes that records have been delivered. */
  deliver(records: number): void {
    this.#add(delivered, BigInt(records) * this.#recordBytes)
    this.#write()
  }

  [Symbol.dispose](): void {
    this.#map.close()
  }

  #add(offset: number, amount: bigint): void {
    this.#value.setBigUint64(offset, this.#value.getBigUint64(offset, true) + amount, true)
  }

  #write(): void {
    this.#map.set(this.#key, new Uint8Array(this.#value.buffer))
  }
}

function create(path: string): BpfMap {
  const map = BpfMap.create({ type: 'array', name: 'ledger', keySize: 4, valueSize, maxEntries: 1 })
  map.pin(path)
  return map
}
