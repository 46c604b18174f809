import { describe, expect, it } from 'vitest'
import { readStats } from '../../lib/errors/verifier-log.js'
import { kernelIs } from '../helpers/kernel.js'
import { load, open } from '../helpers/objects.js'

describe('the verifier log of a program that loads', () => {
  it('is kept for each program of the object', async () => {
    using object = open('programs', { kernelLogLevel: 4 })
    await object.load()
    const { mark, length, on_exit } = Object.fromEntries(object.programs)
    expect(length!.verifierLog).toMatch(/^processed 2 insns/m)
    expect(mark!.verifierLog).not.toBe(length!.verifierLog)
    // It is not loaded.
    expect(on_exit!.verifierLog).toBe('')
    const names = [...object.kernelLog.matchAll(/^-- program '(\w+)' --$/gm)].map(([, name]) => name)
    expect(names).toEqual(
      [...object.programs.values()].filter(({ loaded }) => loaded).map(({ name }) => name),
    )
  })

  it('comes from a buffer for each program, too', () => {
    using object = load('programs', { kernelLogLevel: 4, kernelLogSize: 1 << 16 })
    using grown = load('programs', { kernelLogLevel: 4 })
    for (const [name, program] of object.programs) {
      expect(program.verifierStats).toEqual(
        grown.program(name).verifierStats && {
          ...grown.program(name).verifierStats,
          duration: program.verifierStats?.duration,
        },
      )
    }
    expect(object.program('length').verifierStats?.instructions).toBe(2)
    expect(object.kernelLog).toContain("-- program 'length' --")
  })

  it('is that of one program if only that has a log level', () => {
    using object = open('programs')
    object.program('mark').logLevel = 1
    object.loadSync()
    expect(object.program('mark').verifierLog).toMatch(/processed \d+ insns/)
    expect(object.program('length').verifierLog).toBe('')
    expect(object.program('length').verifierStats).toBeUndefined()
    expect(object.kernelLog).toBe(object.program('mark').verifierLog)
  })

  it('gives the statistics', () => {
    using object = load('programs', { kernelLogLevel: 4 })
    expect(object.program('length').verifierStats).toEqual({
      instructions: 2,
      limit: 1_000_000,
      maxStatesPerInstruction: 0,
      totalStates: 0,
      peakStates: 0,
      stackDepths: [0],
      duration: expect.any(Number),
    })
    if (kernelIs('5.16')) {
      for (const program of object.programs.values()) {
        if (program.loaded)
          expect(program.verifierStats?.instructions).toBe(program.info().verifiedInstructions)
      }
    }
  })

  it('is in the buffer of the program that was rejected', async () => {
    using object = open('bad-pointer', { kernelLogSize: 1 << 16 })
    const error = await object.load().catch((error: unknown) => error)
    expect(error).toMatchObject({ verifierLog: object.program('on_exec').verifierLog })
    expect(object.program('on_exec').verifierLog).toContain('invalid mem access')
  })

  it('survives in no other object', () => {
    load('programs', { kernelLogLevel: 4 }).close()
    using object = load('programs')
    expect(object.program('length').verifierLog).toBe('')
  })
})

describe('readStats', () => {
  it('reads what kernels report', () => {
    const text =
      'verification time 217 usec\nstack depth 16+8+0\n' +
      'processed 1234 insns (limit 1000000) max_states_per_insn 3 total_states 44 peak_states 40 mark_read 7\n'
    expect(readStats(text)).toEqual({
      instructions: 1234,
      limit: 1_000_000,
      maxStatesPerInstruction: 3,
      totalStates: 44,
      peakStates: 40,
      stackDepths: [16, 8, 0],
      duration: 217,
    })
    expect(readStats('processed 5 insns (limit 1000000)')).toMatchObject({
      stackDepths: [],
      duration: undefined,
    })
    expect(readStats('')).toBeUndefined()
  })
})
