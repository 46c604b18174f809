// Readers and processes: how long a reader keeps its process alive, what an exception does to it, and what several
// processes get that read one ring.
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { objectPath, thrownBy } from '../helpers/objects.js'
import { Rings, upTo } from './rings.js'

const setUp = `
  import { BpfObject } from 'libbpf-node'
  const object = BpfObject.open(process.argv[1])
  object.loadSync()
  const ring = object.ringBuffer('events', 'record')
  const emit = (repeat) => object.program('emit').testRunSync({ data: new Uint8Array(64), repeat })
`

const run = (script: string): ReturnType<typeof runChild> => runChild(setUp + script, [objectPath('ring')])

describe('a process', () => {
  it('stays alive while a callback reads a ring, until stop()', async () => {
    const { status, stdout } = await run(`
      ring.on(() => {})
      setTimeout(() => { console.log('still here'); ring.stop() }, 100).unref()
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'still here\n' })
  })

  it('stays alive while for await waits, until close()', async () => {
    const { status, stdout } = await run(`
      setTimeout(() => ring.close(), 100).unref()
      for await (const record of ring) {}
      console.log('ended')
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'ended\n' })
  })

  it('ends after unref() although a ring is read', async () => {
    const { status, stdout } = await run(`
      ring.on(() => {}).unref()
      setTimeout(() => console.log('still here'), 10_000).unref()
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  })

  it('stays alive again after ref()', async () => {
    const { status, stdout } = await run(`
      ring.on(() => {}).unref().ref()
      setTimeout(() => { console.log('still here'); ring.close() }, 100).unref()
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'still here\n' })
  })

  it('ends although a ring is open, if nothing reads it', async () => {
    const { status, stdout } = await run('emit(10)')
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  })

  it('can end in a callback by process.exit()', async () => {
    const { status } = await run(`
      ring.on(() => process.exit(7))
      emit(10)
    `)
    expect(status).toBe(7)
  })
})

describe('an exception of a callback', () => {
  it.each(['on', 'drain'])(
    'is an uncaught exception, and all other records are delivered: %s',
    async (way) => {
      const { status, stdout, stderr } = await run(`
      const uncaught = []
      process.on('uncaughtException', (error) => uncaught.push(error.message))
      let seen = 0
      ring.${way}(() => {
        seen++
        if (seen % 10 === 0) throw new Error('number ' + seen)
        if (seen === 95) setImmediate(() => {
          ring.close()
          console.log(JSON.stringify({ seen, uncaught }))
        })
      })
      emit(95)
    `)
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(JSON.parse(stdout)).toEqual({
        seen: 95,
        uncaught: [10, 20, 30, 40, 50, 60, 70, 80, 90].map((n) => `number ${n}`),
      })
    },
  )

  it('ends the process, with its stack, if nothing handles it', async () => {
    const { status, stderr } = await run(`
      ring.on(function listener() { throw new Error('not mine') })
      emit(1)
    `)
    expect(status).toBe(1)
    expect(stderr).toContain('Error: not mine')
    expect(stderr).toContain('at listener')
  })

  it('does not disturb consume() or what is read after it', async () => {
    const { status, stdout } = await run(`
      process.on('uncaughtException', () => {})
      let seen = 0
      ring.on(() => { seen++; throw new Error('each') })
      emit(5)
      console.log(ring.consume(), seen)
      emit(5)
      setImmediate(function look() {
        if (seen < 10) return setImmediate(look)
        ring.close()
        console.log(seen)
      })
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '5 5\n10\n' })
  })
})

describe('two processes that read one ring', () => {
  it('get each record once, in one of them', async () => {
    using rings = new Rings({ bytes: 1 << 14 })
    const script = `
      import { BpfMap, RingBuffer } from 'libbpf-node'
      const ring = new RingBuffer(BpfMap.fromId(Number(process.argv[1])))
      const numbers = []
      ring.drain((view, offset) => {
        const number = Number(view.getBigUint64(offset, true))
        if (view.getUint32(offset + 8, true) === 0) numbers.push(number)
        else numbers.push(-1)
      })
      setTimeout(() => {
        ring.close()
        console.log(JSON.stringify(numbers))
      }, Number(process.argv[2]))`
    const children = [1, 2].map(() => runChild(script, [`${rings.maps[0]!.id}`, '2500']))
    const end = Date.now() + 2000
    let made = 0
    // A Set has room for 16 million; a fast machine makes more in two seconds.
    while (Date.now() < end && Number(rings.object.bss.sent) < 5_000_000) {
      made += rings.produce(2000)
      await rings.produceMeanwhile(20_000)
    }
    const [one = [], two = []] = (await Promise.all(children)).map(
      ({ stdout }) => JSON.parse(stdout) as number[],
    )
    const sent = Number(rings.object.bss.sent)
    expect(made).toBeLessThanOrEqual(sent)
    expect(one.length + two.length).toBe(sent)
    expect(new Set([...one, ...two]).size).toBe(sent)
    for (const numbers of [one, two])
      expect(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!)).toBe(true)
  })
})

describe('a ring whose memory another process has damaged', () => {
  /** Sets the consumer's position of the only ring that this process has mapped. */
  async function setConsumerPosition(position: bigint): Promise<void> {
    const [line = ''] = readFileSync('/proc/self/maps', 'utf8').match(/^.* rw-s .*bpf-map$/m) ?? []
    const address = Number.parseInt(line, 16)
    const memory = await open('/proc/self/mem', 'r+')
    await memory.write(new BigUint64Array([position]), 0, 8, address)
    await memory.close()
  }

  it.each([
    ['in the middle of a record', 8n],
    ['at no multiple of 8', 3n],
    ['behind the last record', 1n << 20n],
    ['far before the first', -(1n << 20n)],
  ])('is an error in every way of reading, and no crash: the position is %s', async (_, position) => {
    using rings = new Rings()
    // At position 8 there is the number of a record. Taken for a header, it is a length that the ring does not have.
    rings.object.bss.number = 0x1234_5678n
    using reader = rings.reader()
    rings.produce(10)
    await setConsumerPosition(position)
    const damaged = {
      name: 'BpfError',
      code: 'EBADMSG',
      operation: 'ring_buffer__consume',
      message: expect.stringContaining("read ring buffer 'ring0': its positions or lengths are impossible"),
    }
    for (let round = 0; round < 2; round++) {
      reader.on(() => {})
      expect(thrownBy(() => reader.consume())).toMatchObject(damaged)
      await expect(reader[Symbol.asyncIterator]().next()).rejects.toMatchObject(damaged)
      await expect(reader.batches().next()).rejects.toMatchObject(damaged)
    }
    await setConsumerPosition(0n)
    const seen: number[] = []
    reader.on(({ number }) => seen.push(Number(number)))
    expect(reader.consume()).toBe(10)
    expect(seen).toEqual(upTo(10, 0x1234_5678))
  })
})
