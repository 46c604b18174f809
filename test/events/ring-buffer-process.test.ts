// What a ring buffer means for the life of its process: each in a child.
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { objectPath } from '../helpers/objects.js'

const setUp = `
  import { BpfObject } from 'libbpf-node'
  const object = BpfObject.open(process.argv[1])
  object.loadSync()
  const ring = object.ringBuffer('events', 'record')
  const emit = (repeat) => object.program('emit').testRunSync({ data: new Uint8Array(64), repeat })
`

const run = (script: string): ReturnType<typeof runChild> => runChild(setUp + script, [objectPath('ring')])

describe('the process', () => {
  it('stays while a ring is read, until it is stopped', async () => {
    const { status, stdout } = await run(`
      ring.on(() => {})
      setTimeout(() => { console.log('still here'); ring.stop() }, 100).unref()
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'still here\n' })
  })

  it('stays while for await waits, until the ring is closed', async () => {
    const { status, stdout } = await run(`
      setTimeout(() => ring.close(), 100).unref()
      for await (const record of ring) {}
      console.log('ended')
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'ended\n' })
  })

  it('ends while a ring is read after unref', async () => {
    const { status, stdout } = await run(`
      ring.on(() => {}).unref()
      setTimeout(() => console.log('still here'), 10_000).unref()
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  })

  it('stays again after ref', async () => {
    const { status, stdout } = await run(`
      ring.on(() => {}).unref().ref()
      setTimeout(() => { console.log('still here'); ring.close() }, 100).unref()
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'still here\n' })
  })

  it('ends when a ring is open that nobody reads', async () => {
    const { status, stdout } = await run('emit(10)')
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  })

  it('ends while a ring is read by process.exit', async () => {
    const { status } = await run(`
      ring.on(() => process.exit(7))
      emit(10)
    `)
    expect(status).toBe(7)
  })
})

describe('what a callback throws', () => {
  it.each(['on', 'drain'])('is an uncaught exception each, and all other records come: %s', async (way) => {
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
  })

  it('ends the process where nobody listens, with its stack', async () => {
    const { status, stderr } = await run(`
      ring.on(function listener() { throw new Error('not mine') })
      emit(1)
    `)
    expect(status).toBe(1)
    expect(stderr).toContain('Error: not mine')
    expect(stderr).toContain('at listener')
  })

  it('leaves the ring sound: it reads on after an exception in consume, too', async () => {
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
