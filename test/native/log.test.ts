import { type LogLevel, setLogger } from 'libbpf-node'
import { afterEach, describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'

afterEach(() => setLogger(undefined))

type Message = [LogLevel, string]

/** Collects the messages that are logged from now on. */
function listen(level?: LogLevel): Message[] {
  const messages: Message[] = []
  setLogger((...message) => messages.push(message), level)
  return messages
}

/** Does something that libbpf warns about. */
const failToOpen = (): unknown => thrownBy(() => open('relaxed'))

describe('setLogger', () => {
  it.each<[LogLevel | undefined, LogLevel[]]>([
    ['warn', ['warn']],
    ['info', ['warn', 'info']],
    [undefined, ['warn', 'info']],
    ['debug', ['warn', 'info', 'debug']],
  ])('at level %s receives %j', (level, allowed) => {
    const messages = listen(level)
    failToOpen()
    load('maps').close()
    expect(messages.length).toBeGreaterThan(0)
    for (const [level] of messages) expect(allowed).toContain(level)
    expect(messages.some(([level]) => level === 'debug')).toBe(allowed.includes('debug'))
    expect(messages.some(([level]) => level === 'warn')).toBe(true)
  })

  it('receives the messages in order, without line breaks', () => {
    const messages = listen('debug')
    load('maps').close()
    for (const [, text] of messages) expect(text).not.toMatch(/\n$|^$/)
    const texts = messages.map(([, text]) => text)
    const loading = texts.findIndex((text) => text.startsWith('libbpf: loading object from'))
    const made = texts.findIndex((text) => text.includes("map 'points': created successfully"))
    expect(loading).toBeGreaterThanOrEqual(0)
    expect(made).toBeGreaterThan(loading)
  })

  it('receives the messages of asynchronous calls before their promise is settled', async () => {
    const messages = listen('debug')
    using object = open('maps')
    messages.length = 0
    await object.load()
    expect(messages.some(([, text]) => text.includes("map 'points': created successfully"))).toBe(true)
  })

  it('is removed by undefined and replaced by another logger', () => {
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

  it('lets a logger call libbpf, and close the object of the call', () => {
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

  it('throws a TypeError for an unknown level', () => {
    expect(() => setLogger(() => {}, 'trace' as LogLevel)).toThrow(
      "log level 'trace' does not exist; the levels are warn, info, debug",
    )
  })
})

describe('warnings without a logger', () => {
  it('are not printed, and are only in the error of their call', async () => {
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

  it('are not in the error of the next call', () => {
    const first = failToOpen()
    expect(first).toMatchObject({ log: expect.stringContaining('colour') })
    const second = thrownBy(() => load('map-of-maps'))
    expect((second as { log: string }).log).not.toContain('colour')
    expect((second as { log: string }).log).toContain('outer_hash')
  })

  it('are in the error at every log level', () => {
    listen('warn')
    const loud = failToOpen()
    setLogger(undefined)
    const silent = failToOpen()
    expect((silent as { log: string }).log).toBe((loud as { log: string }).log)
  })
})
