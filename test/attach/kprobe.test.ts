import { readdirSync } from 'node:fs'
import { kernelFunctions } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresFeature } from '../helpers/kernel.js'
import { useTracefs } from '../helpers/privileged.js'
import { loadOnly, requires } from './surroundings.js'

useTracefs()

interface Seen {
  runs: bigint
  cookie: bigint
}

const load = (...programs: string[]) =>
  loadOnly('attach-trace', programs, (object) => {
    object.rodata.wanted = process.pid
  })

/** kprobes need kprobes; the multi kinds fprobe, too, which hardened kernels forbid. */
const kprobeMulti = (since: string) => ({
  since,
  missing: 'built without CONFIG_FPROBE',
  here: () => {
    using object = load('on_kernel_calls')
    try {
      object
        .program('on_kernel_calls')
        .attachKprobeMultiSync({ symbols: ['vfs_read'] })
        .close()
      return true
    } catch {
      return false
    }
  },
})

describe('attachKprobe', () => {
  requiresFeature('kprobes', 'runs when the function is called', () => {
    using object = load('on_kernel_call')
    using link = object.program('on_kernel_call').attachKprobe('iterate_dir')
    readdirSync('/')
    expect((object.bss.seen as Seen).runs).toBeGreaterThan(0n)
    expect(link.target).toBe('iterate_dir')
  })

  requiresFeature('kprobes', 'runs when the function returns', () => {
    using object = load('on_kernel_call')
    using _link = object.program('on_kernel_call').attachKprobe('iterate_dir', { retprobe: true })
    readdirSync('/')
    expect((object.bss.seen as Seen).runs).toBeGreaterThan(0n)
  })

  requiresFeature('kprobes', 'takes the first of several that exists, and says which', () => {
    using object = load('on_kernel_call')
    using link = object.program('on_kernel_call').attachKprobe(['iterate_directory', 'iterate_dir'])
    expect(link.target).toBe('iterate_dir')
  })

  requiresFeature('kprobes', 'can be made in each of the ways', () => {
    using object = load('on_kernel_call')
    for (const mode of ['default', 'legacy', 'perf'] as const) {
      const before = (object.bss.seen as Seen).runs
      using _link = object.program('on_kernel_call').attachKprobe('iterate_dir', { mode })
      readdirSync('/')
      expect((object.bss.seen as Seen).runs).toBeGreaterThan(before)
    }
  })

  requiresFeature('kprobes', 'names the nearest when there is no such function', () => {
    using object = load('on_kernel_call')
    const attach = () => object.program('on_kernel_call').attachKprobe('iterate_dirr')
    expect(attach).toThrow(/kprobe 'iterate_dirr': no such kernel function; did you mean .*'iterate_dir'/)
  })

  it('is attached, or the error says why not', () => {
    using object = load('on_kernel_call')
    try {
      object.program('on_kernel_call').attachKprobe('iterate_dir').close()
    } catch (error) {
      expect(error).toMatchObject({
        code: 'ENOENT',
        message:
          "attach program 'on_kernel_call' to kprobe 'iterate_dir': this kernel is built without kprobes (CONFIG_KPROBE_EVENTS) (ENOENT)",
      })
    }
  })

  it('wants a mode that exists, and a symbol', () => {
    using object = load('on_kernel_call')
    const program = object.program('on_kernel_call')
    // @ts-expect-error not a mode
    expect(() => program.attachKprobe('vfs_read', { mode: 'fast' })).toThrow(
      "probe mode 'fast' does not exist",
    )
    expect(() => program.attachKprobe([])).toThrow(TypeError)
  })
})

describe('attachKsyscall', () => {
  requiresFeature('kprobes', 'runs when the system call is made', () => {
    using object = load('on_kernel_call')
    using _link = object.program('on_kernel_call').attachKsyscall('getdents64')
    readdirSync('/')
    expect((object.bss.seen as Seen).runs).toBeGreaterThan(0n)
  })

  requiresFeature('kprobes', 'says that there is no such system call', () => {
    using object = load('on_kernel_call')
    expect(() => object.program('on_kernel_call').attachKsyscall('getdent')).toThrow(
      "system call 'getdent': this kernel has no system call of that name",
    )
  })
})

describe('attachKprobeMulti', () => {
  requires(kprobeMulti('5.18'), 'attaches to all that match, on the pool', async () => {
    using object = load('on_kernel_calls')
    using link = await object.program('on_kernel_calls').attachKprobeMulti({ pattern: 'iterate_di*' })
    readdirSync('/')
    expect((object.bss.seen as Seen).runs).toBeGreaterThan(0n)
    expect(link.info()).toMatchObject({ type: 'kprobe_multi' })
  })

  requires(kprobeMulti('5.18'), 'gives each function a cookie', () => {
    using object = load('on_kernel_calls')
    const symbols = ['vfs_read', 'iterate_dir']
    using _link = object.program('on_kernel_calls').attachKprobeMultiSync({ symbols, cookies: [1, 2] })
    readdirSync('/')
    expect((object.bss.seen as Seen).cookie).toBe(2n)
  })

  requires(kprobeMulti('6.10'), 'runs at both ends in a session', () => {
    using object = load('on_kernel_call_and_return')
    using _link = object
      .program('on_kernel_call_and_return')
      .attachKprobeMultiSync({ symbols: ['iterate_dir'], session: true })
    readdirSync('/')
    expect(object.bss.returns).toBeGreaterThan(0n)
  })

  it('wants cookies as many as functions, and one way to say which', async () => {
    using object = load('on_kernel_call')
    const program = object.program('on_kernel_call')
    await expect(program.attachKprobeMulti({ symbols: ['a', 'b'], cookies: [1] })).rejects.toThrow(
      'cookies are 1, but there are 2 functions',
    )
    for (const options of [{}, { symbols: [] }, { pattern: 'a', symbols: ['a'] }]) {
      await expect(program.attachKprobeMulti(options)).rejects.toThrow(TypeError)
    }
  })
})

describe('kernelFunctions', () => {
  it('finds names with wildcards, and by expressions', () => {
    expect(kernelFunctions('vfs_rea?')).toContain('vfs_read')
    expect(kernelFunctions('vfs_*')).toContain('vfs_write')
    expect(kernelFunctions(/^vfs_(read|write)$/).sort()).toEqual(['vfs_read', 'vfs_write'])
    expect(kernelFunctions('no such thing')).toEqual([])
  })
})
