// Records that programs leave in a ring buffer or perf buffer until a reader takes them.

/** A place in the buffer for a record, which was submitted, was discarded, or is still being written. */
export interface PlacedRecord {
  readonly size: number
  state: 'busy' | 'there' | 'discarded'
  bytes: Uint8Array
}

/** Bytes of a record with its header. */
const roomFor = (size: number): number => Math.ceil((8 + size) / 8) * 8

export class Records {
  readonly #bytes: number
  #list: PlacedRecord[] = []

  /** @param bytes - the size of a ring buffer; infinite for others */
  constructor(bytes: number) {
    this.#bytes = bytes
  }

  #used = 0

  /** Bytes that are in use, also those of records that were discarded. */
  get used(): number {
    return this.#used
  }

  hasRoom(size: number): boolean {
    return this.used + roomFor(size) < this.#bytes
  }

  /** Reserves a place: records are read in the order of their places, whenever they are submitted. */
  reserve(size: number): PlacedRecord {
    const record: PlacedRecord = { size, state: 'busy', bytes: new Uint8Array(0) }
    this.#put(record)
    return record
  }

  add(bytes: Uint8Array): void {
    this.#put({ size: bytes.length, state: 'there', bytes })
  }

  #put(record: PlacedRecord): void {
    this.#list.push(record)
    this.#used += roomFor(record.size)
  }

  /** The records in front of the first one that is still being written. */
  get waiting(): readonly Uint8Array[] {
    return this.#ready().flatMap(({ state, bytes }) => (state === 'there' ? [bytes] : []))
  }

  take(): readonly Uint8Array[] {
    const taken = this.waiting
    const ready = this.#ready()
    for (const { size } of ready) this.#used -= roomFor(size)
    this.#list = this.#list.slice(ready.length)
    return taken
  }

  #ready(): readonly PlacedRecord[] {
    const busy = this.#list.findIndex(({ state }) => state === 'busy')
    return busy < 0 ? this.#list : this.#list.slice(0, busy)
  }
}
