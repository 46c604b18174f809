import { BpfObject, Linker } from 'libbpf-node'
import { type LogLine, logTo } from 'libbpf-node/log'
import { describe, expect } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'

/** What a program logs in one run. */
function logged(object: BpfObject, program: string, level?: 'trace'): LogLine[] {
  const lines: LogLine[] = []
  using _ = logTo(object, (line) => lines.push(line), level === undefined ? {} : { level })
  object.program(program).testRunSync()
  return lines
}

const calls = () => {
  const list: unknown[][] = []
  const method =
    (name: string) =>
    (...words: unknown[]) =>
      list.push([name, ...words])
  return { list, method }
}

describe('logTo', () => {
  requiresKernel('5.10', 'decodes the values by their types, and names them', () => {
    using object = load('log')
    const [line] = logged(object, 'every_kind')
    const { comm, ...values } = line!.values
    expect(comm).not.toBe('')
    expect(values).toEqual({
      text: 'behind a pointer',
      '-5': -5,
      '1ULL << 40': 1n << 40n,
      first: 7,
      "'x'": 120,
      mac: Uint8Array.of(1, 2, 3, 4, 5, 6),
      pair: { first: 7, second: 1n << 60n },
      color: 1,
      yes: true,
      '(__u16)bpf_get_smp_processor_id()': expect.any(Number),
    })
    expect(line!.message).toBe(`${comm}: behind a pointer, -5%, 10000000000, 7   |x`)
    expect(line!.unmentioned).toEqual(['mac', 'pair', 'color', 'yes', '(__u16)bpf_get_smp_processor_id()'])
  })

  requiresKernel('5.10', 'says where and when a line was logged', () => {
    using object = load('log')
    const [, line] = logged(object, 'every_kind')
    expect(line).toMatchObject({ function: 'inlined', object: 'log', level: 'warn', message: 'inlined -1' })
    expect(line!.file).toMatch(/log\.bpf\.c$/)
    expect(line!.line).toBe(14)
    expect(Math.abs(line!.time.getTime() - Date.now())).toBeLessThan(60_000)
  })

  requiresKernel('5.10', 'records from a level on, which can be changed at any time', () => {
    using object = open('log')
    const levels = (lines: LogLine[]) => lines.map(({ level }) => level)
    object.loadSync()
    expect(levels(logged(object, 'every_level'))).toEqual(['info', 'warn', 'error', 'fatal'])
    expect(levels(logged(object, 'every_level', 'trace'))).toEqual([
      'trace',
      'debug',
      'info',
      'warn',
      'error',
      'fatal',
    ])
    object.data.libbpf_node_log_level = 50
    expect(levels(logged(object, 'every_level'))).toEqual(['error', 'fatal'])
  })

  requiresKernel('5.10', 'passes values and text to a logger like pino, at its level', () => {
    using object = load('log')
    const { list, method } = calls()
    const logger = {
      level: 'warn',
      child: () => logger,
      trace: method('trace'),
      debug: method('debug'),
      info: method('info'),
      warn: method('warn'),
      error: method('error'),
      fatal: method('fatal'),
    }
    using log = logTo(object, logger)
    expect(log.level).toBe('warn')
    object.program('every_level').testRunSync()
    object.program('every_kind').testRunSync()
    expect(log.flush()).toBe(5)
    expect(list.map(([name, , text]) => [name, text]).slice(0, 3)).toEqual([
      ['warn', 'at warn'],
      ['error', 'at error'],
      ['fatal', 'at fatal'],
    ])
    // What a logger cannot write is text.
    expect(list[3]![1]).toMatchObject({
      mac: '010203040506',
      pair: { first: 7, second: String(1n << 60n) },
      bpf: { object: 'log', function: 'every_kind' },
    })
  })

  requiresKernel(
    '5.10',
    'passes text with its place, and what is not in it, to a logger like console',
    () => {
      using object = load('log')
      const { list, method } = calls()
      const debug = method('debug')
      const logger = { debug, info: method('info'), warn: method('warn'), error: method('error') }
      using log = logTo(object, logger, { level: 'trace' })
      object.program('every_level').testRunSync()
      object.program('unmentioned').testRunSync()
      log.flush()
      expect(list.map(([name]) => name)).toEqual([
        'debug',
        'debug',
        'info',
        'warn',
        'error',
        'error',
        'info',
        'info',
      ])
      expect(list[0]).toEqual(['debug', expect.stringMatching(/log\.bpf\.c:18 every_level: at trace$/)])
      expect(list[6]).toEqual([
        'info',
        expect.stringMatching(/50% done$/),
        { number: String(2n ** 64n - 1n), low: 5 },
      ])
      expect(list[7]).toEqual(['info', expect.stringMatching(/in vain: $/)])
    },
  )

  requiresKernel('5.10', 'counts the lines that do not fit, and says so when it is closed', () => {
    using object = open('log')
    object.map('node_logs').maxEntries = 4096
    object.loadSync()
    const lines: LogLine[] = []
    const log = logTo(object, (line) => lines.push(line))
    for (let i = 0; i < 100; i++) object.program('every_level').testRunSync()
    log.close()
    log.close()
    const warning = lines.pop()
    expect(lines.length).toBeGreaterThan(0)
    expect(warning!.values.lost).toBe(400n - BigInt(lines.length))
    expect(warning!.message).toBe(`${400 - lines.length} log lines were lost because the ring was full`)
  })

  requiresKernel('5.10', 'reads the lines of files that were linked', async () => {
    using object = BpfObject.open(await Linker.link([objectPath('log'), objectPath('log-linked')]))
    object.loadSync()
    const [line] = logged(object, 'linked')
    expect(line).toMatchObject({ function: 'linked', message: 'linked 42', values: { number: 42 }, line: 11 })
    expect(logged(object, 'every_level')).toHaveLength(4)
  })

  requiresKernel('5.10', 'refuses objects that do not log, and words that mean nothing', () => {
    using object = load('events-lost')
    expect(thrownBy(() => logTo(object, console))).toMatchObject({
      code: 'ERR_BPF_NOT_FOUND',
      message: expect.stringContaining('LIBBPF_NODE_LOGS'),
    })
    using other = load('log')
    expect(() => logTo(other, {} as Console)).toThrow(TypeError)
    expect(() => logTo(other, console, { level: 'loud' as 'info' })).toThrow(/the levels are trace, debug/)
    using _ = logTo(other, () => {})
    expect(thrownBy(() => logTo(other, console))).toMatchObject({ code: 'EBUSY' })
  })
})
