import { type BpfObject, type EventReader, RingBuffer } from 'libbpf-node'
import type { EventsConfig } from './config/types.js'
import type { ProgramContext } from './context.js'
import { eventOf } from './decoders.js'
import { RingLedger } from './ledger.js'

type Reader = EventReader<Record<string, unknown>>

interface FeedOptions {
  readonly config: EventsConfig
  /** The name of the program in the configuration. */
  readonly program: string
  readonly object: BpfObject
  readonly context: ProgramContext
  /** Where to keep a record of what was delivered, if the ring outlives the agent. */
  readonly ledgerPath?: string | undefined
  /** A reader of the same map that an older version has released. */
  readonly reader?: Reader | undefined
}

/** Delivers the events of one map to the outputs. */
export class EventFeed {
  readonly config: EventsConfig
  readonly #context: ProgramContext
  readonly #reader: Reader
  readonly #ledger: RingLedger | undefined
  /** How many events were delivered, but not noted yet. */
  #count = 0

  constructor({ config, program, object, context, ledgerPath, reader }: FeedOptions) {
    const { map, type, name = map, labels = [], outputs } = config
    this.config = config
    this.#context = context
    this.#reader = reader ?? object.events<Record<string, unknown>>(map, type)
    if (ledgerPath !== undefined && this.#reader instanceof RingBuffer)
      this.#ledger = new RingLedger(ledgerPath, this.#reader, object.codec(type).size)
    const decode = eventOf(labels, context)
    this.#reader.on((event) => {
      context.deliver({ name, program, time: Date.now(), body: decode(event) }, outputs)
      // All events of a turn are noted at once.
      if (this.#ledger !== undefined && this.#count++ === 0) setImmediate(() => this.#note())
    })
  }

  /** Records that did not fit into the ring, if that is counted. */
  get lost(): bigint {
    return (this.#reader as { lost?: bigint }).lost ?? 0n
  }

  /** Records that an agent had read when it was killed. */
  get lostByKill(): bigint {
    return this.#ledger?.lost ?? 0n
  }

  /** Lets another feed continue with the reader. No event is lost or delivered twice. */
  release(): Reader {
    this.#reader.stop()
    return this.#reader
  }

  /** Delivers what has been read, and ends. What is still in the ring is left to others. */
  close(): void {
    this.#reader.pause()
    this.#reader.consume()
    this.#reader.close()
    this.#note()
    this.#ledger?.[Symbol.dispose]()
  }

  #note(): void {
    if (this.#ledger === undefined || this.#count === 0) return
    this.#context.flush()
    this.#ledger.deliver(this.#count)
    this.#count = 0
  }
}
