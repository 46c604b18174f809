import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Folder, run } from './helpers/agent.js'

describe('--check', () => {
  let folder: Folder
  beforeAll(() => {
    folder = new Folder()
  })
  afterAll(() => folder[Symbol.dispose]())

  const check = (text: string) => {
    folder.write('agent.yaml', text)
    const { status, stdout, stderr } = run('--check', '--config', folder.config)
    return { status, stdout, faults: stderr.replaceAll(`${folder.config}:`, '').trim().split('\n') }
  }

  it('accepts a configuration with collections', () => {
    const { status, stdout } = check('programs:\n  - use: runqlat\n  - use: biolatency\n')
    expect(stdout).toContain('ok, 2 programs')
    expect(status).toBe(0)
  })

  it.each([
    [
      'a name that is misspelled',
      'programs:\n  - use: runqlat\noutput:\n  stdout:\n',
      "3:1: 'output' is unknown: did you mean outputs?",
    ],
    [
      'a name that is misspelled further in',
      'programs:\n  - use: runqlat\n    event: []\n',
      "3:5: programs[0]: 'event' is unknown: did you mean events?",
    ],
    ['what is missing', 'listen: :9435\n', "1:1: 'programs' is missing"],
    ['a value of another type', 'programs: 5\n', '1:11: programs: 5 is not an array'],
    [
      'a value that is not one of those that are possible',
      'log:\n  level: inf\nprograms:\n  - use: runqlat\n',
      '2:10: log.level: "inf" is not one of trace, debug, info, warn, error, fatal, silent: did you mean info?',
    ],
    [
      'an unknown collection',
      'programs:\n  - use: runqlatency\n',
      "2:10: programs[0].use: there is no collection 'runqlatency'; there are",
    ],
    [
      'a program without a source',
      'programs:\n  - name: x\n',
      "2:5: programs[0]: needs either 'use', with the name of a collection, or 'file'",
    ],
    [
      'two programs with one name',
      'programs:\n  - use: runqlat\n  - use: runqlat\n',
      "3:5: programs[1]: there are two programs 'runqlat'",
    ],
    [
      'a file that does not exist',
      'programs:\n  - file: no.bpf.o\n',
      '2:11: programs[0].file: there is no file',
    ],
    [
      'an address without a port',
      'listen: localhost\nprograms:\n  - use: runqlat\n',
      '1:9: listen: "localhost" does not fit. Where /metrics',
    ],
    ['YAML that is broken', 'programs:\n  - use: "runqlat\n', '3:1: Missing closing "quote'],
  ])('finds %s, with its line', (_what, text, expected) => {
    const { status, faults } = check(text)
    expect(faults[0]).toContain(expected)
    expect(status).toBe(2)
  })

  it('lists all faults at once', () => {
    const { faults } = check('listen: x\nprograms: 1\nuser: []\n')
    expect(faults.map((fault) => fault.split(':')[0])).toEqual(['1', '3', '2'])
  })
})

describe('config.schema.json', () => {
  const schema = JSON.parse(readFileSync(new URL('../config.schema.json', import.meta.url), 'utf8')) as {
    properties: Record<string, unknown>
    definitions: Record<string, { additionalProperties?: unknown; properties?: object }>
  }

  it('allows nothing in objects but what it describes', () => {
    for (const [name, { additionalProperties, properties }] of Object.entries(schema.definitions))
      if (properties !== undefined) expect([name, additionalProperties]).toEqual([name, false])
  })
})
