import { readdirSync } from 'node:fs'
import type { BpfObject } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { kernelIs, requiresFeature } from '../helpers/kernel.js'
import { open, thrownBy } from '../helpers/objects.js'
import { loadOnly } from './surroundings.js'

const load = (...programs: string[]) =>
  loadOnly('attach-kernel', programs, (object) => {
    object.rodata.wanted = process.pid
  })
const runs = (object: BpfObject): bigint => object.bss.runs as bigint

describe('attachTracing', () => {
  requiresFeature('trampolines', 'runs an fentry program, until the link is closed', () => {
    using object = load('by_fentry')
    using link = object.program('by_fentry').attachTracing()
    readdirSync('/')
    const seen = runs(object)
    expect(seen).toBeGreaterThan(0n)
    if (kernelIs('5.8')) {
      expect(link.info()).toMatchObject({
        type: 'tracing',
        attachType: 'trace_fentry',
        programId: object.program('by_fentry').id,
      })
    }
    link.close()
    readdirSync('/')
    expect(runs(object)).toBe(seen)
  })

  requiresFeature('trampolines', 'gives fentry the arguments, and fexit the result, too', async () => {
    using object = load('on_entry', 'on_exit')
    using entry = object.program('on_entry').attachTracing()
    await object.program('on_entry').testRun()
    expect(object.bss).toMatchObject({ runs: 1n, argument: 1n, result: 0n })
    entry.close()
    using exit = object.program('on_exit').attachTracing()
    await object.program('on_exit').testRun()
    expect(object.bss).toMatchObject({ runs: 2n, argument: 1n, result: 2n })
    if (kernelIs('5.8')) expect(exit.info()).toMatchObject({ type: 'tracing', attachType: 'trace_fexit' })
  })

  // Older kernels only allow functions that allow error injection (CONFIG_FUNCTION_ERROR_INJECTION).
  requiresFeature(
    'trampolines',
    'lets an fmod_ret program answer in the place of the function',
    async () => {
      using object = load('instead')
      const before = (await object.program('instead').testRun()).retval
      using link = object.program('instead').attachTracing()
      const { retval } = await object.program('instead').testRun()
      expect(runs(object)).toBe(1n)
      expect(retval).not.toBe(before)
      expect(link.info()).toMatchObject({ attachType: 'modify_return' })
    },
    '6.2',
  )

  requiresFeature(
    'trampolines',
    'gives the program a cookie',
    async () => {
      using object = load('on_entry_with_cookie')
      using link = object.program('on_entry_with_cookie').attachTracing({ cookie: 2n ** 40n })
      await object.program('on_entry_with_cookie').testRun()
      expect(object.bss.result).toBe(2n ** 40n)
      if (kernelIs('6.17')) expect(link.info()).toMatchObject({ cookie: 2n ** 40n })
    },
    '5.19',
  )

  /** A program with a function, and one that replaces this function. */
  function loadFreplace() {
    const target = loadOnly('attach-freplace', [])
    const object = loadOnly('attach-freplace', ['other_answer'], (opened) => {
      opened.program('ask').autoload = false
      opened.program('other_answer').setAttachTarget('answer', target.program('ask').fd)
    })
    return { target, object }
  }
  const packet = { data: new Uint8Array(64) }

  requiresFeature('trampolines', 'replaces a function of another program', async () => {
    const freplace = loadFreplace()
    using target = freplace.target
    using object = freplace.object
    expect((await target.program('ask').testRun(packet)).retval).toBe(1)
    using link = object.program('other_answer').attachFreplace()
    expect((await target.program('ask').testRun(packet)).retval).toBe(2)
    link.close()
    expect((await target.program('ask').testRun(packet)).retval).toBe(1)
  })

  requiresFeature(
    'trampolines',
    'replaces it again, named at attach',
    async () => {
      const freplace = loadFreplace()
      using target = freplace.target
      using object = freplace.object
      object.program('other_answer').attachFreplace().close()
      using _again = object.program('other_answer').attachFreplace(target.program('ask'), 'answer')
      expect((await target.program('ask').testRun(packet)).retval).toBe(2)
    },
    '5.10',
  )
})

describe('setAttachTarget', () => {
  requiresFeature('trampolines', 'takes the first of several that exists, and returns it', () => {
    using object = loadOnly('attach-kernel', ['somewhere'], (opened) => {
      opened.rodata.wanted = process.pid
      const target = opened.program('somewhere').setAttachTarget(['iterate_directory', 'iterate_dir'])
      expect(target).toBe('iterate_dir')
    })
    using _link = object.program('somewhere').attachTracing()
    readdirSync('/')
    expect(runs(object)).toBeGreaterThan(0n)
  })

  it('proposes names similar to the first if none of them exists', () => {
    using object = open('attach-kernel')
    const set = (names: string[]) => object.program('somewhere').setAttachTarget(names)
    expect(thrownBy(() => set(['iterate_dirr', 'iterate_dirs_']))).toMatchObject({
      code: 'ESRCH',
      target: 'iterate_dirr',
      message: expect.stringContaining("did you mean 'iterate_dir'"),
    })
    expect(() => set([])).toThrow(TypeError)
  })
})
