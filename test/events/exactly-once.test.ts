// Every record is delivered exactly once and in order, whatever is done to its reader in the meantime. What is done is
// random; LIBBPF_NODE_SEED and LIBBPF_NODE_STEPS choose the seed and the number of steps.
import { type BpfObject, type Iteration, PerfBuffer, type RingBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load } from '../helpers/objects.js'
import { type Random, randomOf } from '../helpers/random.js'
import { slowness } from '../helpers/slowness.js'
import { onlineCpus, runOn } from './cpus.js'
import { BPF_RB_NO_WAKEUP, type Numbered, Rings } from './rings.js'

const seed = Number(process.env.LIBBPF_NODE_SEED ?? Math.floor(Math.random() * 2 ** 31))
const steps = Number(process.env.LIBBPF_NODE_STEPS ?? 400)

interface Options {
  batchSize: number
  slabSize: number
  turnTime: number
  interval: number
  wakeable: boolean
}

type Reader = RingBuffer<Numbered> | PerfBuffer<Numbered>

/** Where records come from, and how many of them should arrive. */
interface Producer extends Disposable {
  /** Opens a reader of all buffers. */
  open(options: Options): Reader
  /** Writes records to a random buffer. */
  produce(random: Random, count: number, options: Options): void
  /** Removes or adds a buffer, or closes the reader. Returns undefined if nothing was done. */
  reshape?(random: Random, reader: Reader, arrived: readonly number[]): 'changed' | 'closed' | undefined
  /** Adds all buffers that were removed, and makes the kernel tell of what was lost. */
  complete(reader: Reader): void
  /** How many records should have arrived from all buffers once everything is read. */
  expected(reader: Reader): number
  readonly buffers: number
}

class RingProducer implements Producer {
  readonly #rings = new Rings({ rings: 3, bytes: 4096 })
  readonly buffers = 3
  readonly #sent = [0, 0, 0]
  /** Records that were in the slab of a ring that was removed. */
  readonly #dropped = [0, 0, 0]
  #read = [true, true, true]

  open(options: Options): Reader {
    this.#read = [true, true, true]
    return this.#rings.reader(options)
  }

  produce(random: Random, count: number, { interval }: Options): void {
    const ring = random.below(3)
    const flags = interval > 0 && random.below(2) === 0 ? BPF_RB_NO_WAKEUP : 0
    this.#sent[ring]! += this.#rings.produce(count, { ring, flags })
  }

  reshape(random: Random, reader: Reader, arrived: readonly number[]): 'changed' | 'closed' | undefined {
    const rings = reader as RingBuffer<Numbered>
    if (random.below(4) === 0) {
      reader.close()
      for (const ring of [0, 1, 2]) if (this.#read[ring]) this.#countDropped(ring, arrived)
      return 'closed'
    }
    const ring = random.below(3)
    const map = this.#rings.maps[ring]!
    if (this.#read[ring]) {
      rings.remove(map)
      this.#countDropped(ring, arrived)
    } else {
      rings.add(map)
    }
    this.#read[ring] = !this.#read[ring]
    return 'changed'
  }

  /** What was taken out of a ring and has not arrived by now never will. */
  #countDropped(ring: number, arrived: readonly number[]): void {
    using reader = this.#rings.readerOf(this.#rings.maps[ring]!)
    const taken = Number(reader.consumerPosition) / 24
    const dropped = taken - arrived[ring]! - this.#dropped[ring]!
    expect(dropped).toBeGreaterThanOrEqual(0)
    expect(dropped).toBeLessThanOrEqual(mostInSlab)
    this.#dropped[ring]! += dropped
  }

  complete(reader: Reader): void {
    for (const [ring, map] of this.#rings.maps.entries()) {
      if (!this.#read[ring]) (reader as RingBuffer<Numbered>).add(map)
      this.#read[ring] = true
    }
  }

  expected(): number {
    const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0)
    return sum(this.#sent) - sum(this.#dropped)
  }

  [Symbol.dispose](): void {
    this.#rings[Symbol.dispose]()
  }
}

class PerfProducer implements Producer {
  readonly #object: BpfObject = load('events-perf')
  readonly buffers = onlineCpus.length

  open(options: Options): Reader {
    const codec = this.#object.codec<{ number: bigint; cpu: number }>('record')
    const decode = (view: DataView, offset?: number): Numbered => {
      const { number, cpu } = codec.decode(view, offset)
      return { number, ring: onlineCpus.indexOf(cpu) }
    }
    return new PerfBuffer<Numbered>(this.#object.map('events'), {
      codec: { ...codec, decode } as never,
      pages: 1,
      ...options,
    })
  }

  produce(random: Random, count: number): void {
    runOn(random.oneOf(onlineCpus), this.#object, 'produce', count)
  }

  // The kernel reports what it has lost with the next record that fits.
  complete(): void {
    for (const cpu of onlineCpus) runOn(cpu, this.#object, 'produce', 1)
  }

  expected(reader: Reader): number {
    return Number(this.#object.bss.number) - Number((reader as PerfBuffer<Numbered>).lost)
  }

  [Symbol.dispose](): void {
    this.#object.close()
  }
}

const mostInSlab = 64

function optionsOf({ below, oneOf }: Random): Options {
  const interval = oneOf([0, 0, 1])
  return {
    batchSize: 1 + below(mostInSlab),
    slabSize: oneOf([64, 100, 4096]),
    turnTime: oneOf([0, 1, 10]),
    interval,
    wakeable: interval > 0 && below(2) === 0,
  }
}

/** Calls a function outside of any other call, and with no Promise to be continued. */
const outside = <T>(call: () => T): Promise<T> =>
  new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(call())
      } catch (error) {
        reject(error)
      }
    })
  })

/** One reader after the other, and how records arrive. */
class Run {
  readonly #random: Random
  readonly #producer: Producer
  #options: Options
  #reader: Reader
  #iteration: Iteration<Numbered | Numbered[]> | undefined
  #isRead: 'by callback' | 'by iteration' | 'not' = 'not'
  #paused = false
  #asked = 0
  #total = 0
  readonly #arrived: number[]
  readonly #last: number[]
  readonly log: string[] = []
  failure: unknown

  constructor(random: Random, producer: Producer) {
    this.#random = random
    this.#producer = producer
    this.#options = optionsOf(random)
    this.#arrived = Array(producer.buffers).fill(0)
    this.#last = Array(producer.buffers).fill(-1)
    this.#reader = producer.open(this.#options)
  }

  async go(count: number): Promise<void> {
    for (let i = 1; i <= count; i++) {
      await outside(() => this.#step())
      if (i % 25 === 0 || i === count) await this.#catchUp()
      if (this.failure !== undefined) throw this.failure
    }
    this.#reader.close()
  }

  #note(what: string): void {
    this.log.push(what)
    if (this.log.length > 60) this.log.shift()
  }

  #arrive({ number, ring }: Numbered): void {
    this.#total++
    this.#arrived[ring]!++
    if (number <= this.#last[ring]!) this.failure ??= new Error(`${number} after ${this.#last[ring]}`)
    this.#last[ring] = Number(number)
  }

  #step(): void {
    const { below } = this.#random
    const choice = below(10)
    if (choice < 4) this.#produce()
    else if (choice < 5) this.#reshape()
    else if (choice < 6 && this.#isRead === 'by callback') this.#consume()
    else this.#change(false)
  }

  #produce(): void {
    const count = 1 + this.#random.below(this.#random.oneOf([3, 20, 200]))
    this.#note(`produce ${count}`)
    this.#producer.produce(this.#random, count, this.#options)
  }

  #reshape(): void {
    const done = this.#producer.reshape?.(this.#random, this.#reader, this.#arrived)
    this.#note(`reshape: ${done}`)
    if (done !== 'closed') return
    this.#isRead = 'not'
    this.#iteration = undefined
    this.#options = optionsOf(this.#random)
    this.#reader = this.#producer.open(this.#options)
    this.#paused = false
  }

  #consume(): void {
    const limit = this.#random.oneOf([0, 1, 10, Number.POSITIVE_INFINITY])
    this.#note(`consume ${limit}`)
    const before = this.#total
    const count = this.#reader.consume(limit)
    if (count !== this.#total - before || count > limit) this.failure ??= new Error(`consumed ${count}`)
  }

  /** What can also be done inside of a callback. */
  #change(inside: boolean): void {
    const { below } = this.#random
    const reader = this.#reader
    switch (below(5)) {
      case 0:
        this.#note(inside ? 'pause inside' : 'pause')
        reader.pause()
        this.#paused = true
        break
      case 1:
        this.#note(inside ? 'resume inside' : 'resume')
        reader.resume()
        this.#paused = false
        break
      case 2:
        this.#note(inside ? 'stop inside' : 'stop')
        reader.stop()
        this.#isRead = 'not'
        if (below(2) === 0) this.#begin()
        break
      default:
        if (this.#isRead === 'not') this.#begin()
        else if (this.#isRead === 'by iteration') this.#ask()
    }
  }

  #begin(): void {
    const reader = this.#reader
    const way = this.#random.oneOf(['on', 'drain', 'for await', 'batches'] as const)
    this.#note(`begin ${way}`)
    this.#isRead = way === 'on' || way === 'drain' ? 'by callback' : 'by iteration'
    const inside = (): void => {
      if (this.#random.below(50) === 0) this.#change(true)
    }
    if (way === 'on') {
      reader.on((record) => {
        this.#arrive(record)
        inside()
      })
    } else if (way === 'drain') {
      const isPerf = reader instanceof PerfBuffer
      reader.drain((view, offset) => {
        const ring = view.getUint32(offset + 8, true)
        const number = view.getBigUint64(offset, true)
        this.#arrive({ number, ring: isPerf ? onlineCpus.indexOf(ring) : ring })
        inside()
      })
    } else {
      this.#iteration = way === 'batches' ? reader.batches() : reader[Symbol.asyncIterator]()
      this.#ask()
    }
  }

  /** Asks for the next values, or ends the iteration. */
  #ask(): void {
    const { below } = this.#random
    const iteration = this.#iteration!
    if (below(6) === 0) {
      this.#note('return')
      void iteration.return!()
      this.#isRead = 'not'
      return
    }
    for (let i = below(4); i >= 0; i--) this.#next(iteration)
  }

  #next(iteration: Iteration<Numbered | Numbered[]>): void {
    this.#asked++
    iteration.next().then(
      ({ value }) => {
        this.#asked--
        if (value === undefined) return
        for (const record of Array.isArray(value) ? value : [value]) this.#arrive(record)
      },
      (error) => {
        this.failure ??= error
      },
    )
  }

  /** From here on everything that is missing should arrive without another reader, wake-up or look. */
  async #catchUp(): Promise<void> {
    this.#producer.complete(this.#reader)
    this.#reader.resume()
    this.#paused = false
    if (this.#isRead === 'not') this.#begin()
    this.#note('catch up')
    const end = Date.now() + 5000 * slowness
    let looks = 0
    while (this.failure === undefined && this.#total !== this.#producer.expected(this.#reader)) {
      if (Date.now() > end) {
        const expected = this.#producer.expected(this.#reader)
        throw new Error(
          `${this.#total} of ${expected} records have arrived, ${this.#reader.availableBytes} bytes wait, ${this.#isRead}, ${this.#asked} asked, ${JSON.stringify(this.#options)}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
      // The record that should make the kernel tell of lost ones may have been lost, too. Another one is only written
      // when nothing waits to be read, so it cannot stand in for a wake-up that was missed.
      if (++looks % 20 === 0 && this.#reader.availableBytes === 0) this.#producer.complete(this.#reader)
      // A callback may have paused or stopped the reader again.
      if (this.#paused) this.#reader.resume()
      this.#paused = false
      if (this.#isRead === 'not') this.#begin()
      else if (this.#isRead === 'by iteration' && this.#asked === 0) {
        for (let i = 0; i < 20; i++) this.#next(this.#iteration!)
      }
    }
  }
}

describe.each([
  ['ring buffers', () => new RingProducer()],
  ['a perf buffer', () => new PerfProducer()],
] as const)('received + lost = sent, for %s', (_, create) => {
  it(`each record arrives once and in order (seed ${seed}, ${steps} steps)`, async () => {
    using producer = create()
    const run = new Run(randomOf(seed), producer)
    try {
      await run.go(steps)
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}, after: ${run.log.join(', ')}`, {
        cause: error,
      })
    }
  }, 600_000)
})
