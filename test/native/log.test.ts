import { type LogLevel, setLogger } from 'libbpf-node'
import { afterEach, describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'

afterEach(() => setLogger(undefined))

type Message = [LogLevel, string]

/** What is logged from now on. */
function listen(level?: LogLevel): Message[] {
  const messages: Message[] = []
  setLogger((...message) => messages.push(message), level)
  return messages
}

/** Something that libbpf warns of. */
const failToOpen = (): unknown => thrownBy(() => open('relaxed'))

describe('setLogger', () => {
  it.each<[LogLevel | undefined, LogLevel[]]>([
    ['warn', ['warn']],
    ['info', ['warn', 'info']],
    [undefined, ['warn', 'info']],
    ['debug', ['warn', 'info', 'debug']],
  ])('at level %s lets through %j', (level, allowed) => {
    const messages = listen(level)
    failToOpen()
    load('maps').close()
    expect(messages.length).toBeGreaterThan(0)
    for (const [level] of messages) expect(allowed).toContain(level)
    expect(messages.some(([level]) => level === 'debug')).toBe(allowed.includes('debug'))
    expect(messages.some(([level]) => level === 'warn')).toBe(true)
  })

  it('gives each message without its line end, in the order in which libbpf said them', () => {
    const messages = listen('debug')
    load('maps').close()
    for (const [, text] of messages) expect(text).not.toMatch(/\n$|^$/)
    const texts = messages.map(([, text]) => text)
    const loading = texts.findIndex((text) => text.startsWith('libbpf: loading object from'))
    const made = texts.findIndex((text) => text.includes("map 'points': created successfully"))
    expect(loading).toBeGreaterThanOrEqual(0)
    expect(made).toBeGreaterThan(loading)
  })

  it('is for calls on other threads, too: their messages come before the promise is settled', async () => {
    const messages = listen('debug')
    using object = open('maps')
    messages.length = 0
    await object.load()
    expect(messages.some(([, text]) => text.includes("map 'points': created successfully"))).toBe(true)
  })

  it('is undone by undefined, and replaced by another', () => {
    const first = listen('debug')
    const second = listen('debug')
    load('maps').close()
    expect(first).toEqual([])
    const count = second.length
    expect(count).toBeGreaterThan(0)
    setLogger(undefined)
    load('maps').close()
    expect(second.length).toBe(count)
  })

  it('may do anything, such as call libbpf, or close what it hears about', () => {
    const object = open('maps')
    let nested = 0
    setLogger((_, text) => {
      if (text.includes('created successfully')) {
        nested++
        object.close()
        open('bloom').close()
      }
    }, 'debug')
    expect(thrownBy(() => object.loadSync())).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(nested).toBeGreaterThan(1)
    expect(object.closed).toBe(true)
  })

  it('knows its levels', () => {
    expect(() => setLogger(() => {}, 'trace' as LogLevel)).toThrow(
      "log level 'trace' does not exist; there are warn, info, debug",
    )
  })
})

describe('without a logger', () => {
  it('nothing is printed, and warnings are in the error of their call only', async () => {
    const { status, stdout, stderr } = await runChild(
      `import { BpfObject } from 'libbpf-node'
       const failed = []
       for (let i = 0; i < 2; i++) {
         try { BpfObject.open(process.argv[1]) } catch (error) { failed.push(error) }
       }
       const [first, second] = failed
       process.exitCode = first.log.includes('colour') && first.log === second.log ? 0 : 1`,
      [objectPath('relaxed')],
    )
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  it('warnings of one call are not in the error of the next', () => {
    const first = failToOpen()
    expect(first).toMatchObject({ log: expect.stringContaining('colour') })
    const second = thrownBy(() => load('map-of-maps'))
    expect((second as { log: string }).log).not.toContain('colour')
    expect((second as { log: string }).log).toContain('outer_hash')
  })

  it('errors carry warnings whatever the level is', () => {
    listen('warn')
    const loud = failToOpen()
    setLogger(undefined)
    const silent = failToOpen()
    expect((silent as { log: string }).log).toBe((loud as { log: string }).log)
  })
})
