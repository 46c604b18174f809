import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  BpfError,
  type BpfObject,
  type KprobeMultiOptions,
  type KprobeOptions,
  kernelFunctions,
  Link,
} from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { kernelIs, requiresFeature } from '../helpers/kernel.js'
import { objectPath } from '../helpers/objects.js'
import { useBpffs, useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import { loadOnly } from './surroundings.js'

useTracefs()

const hasKprobes = (): boolean => existsSync('/sys/bus/event_source/devices/kprobe')

interface Seen {
  runs: bigint
  cookie: bigint
}

const load = (...programs: string[]) =>
  loadOnly('attach-trace', programs, (object) => {
    object.rodata.wanted = process.pid
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
    // Links require Linux 5.15.
    const modes = ['default', 'legacy', 'perf', ...(kernelIs('5.15') ? ['link' as const] : [])] as const
    for (const mode of modes) {
      const before = (object.bss.seen as Seen).runs
      using _link = object.program('on_kernel_call').attachKprobe('iterate_dir', { mode })
      readdirSync('/')
      expect((object.bss.seen as Seen).runs).toBeGreaterThan(before)
    }
  })

  requiresFeature(
    'kprobes',
    'gives the program a cookie',
    () => {
      using object = load('on_kernel_call')
      for (const retprobe of [false, true]) {
        using _link = object.program('on_kernel_call').attachKprobe('iterate_dir', { retprobe, cookie: 7 })
        object.bss.seen = { ...(object.bss.seen as Seen), cookie: 0n }
        readdirSync('/')
        expect((object.bss.seen as Seen).cookie).toBe(7n)
      }
    },
    '5.15',
  )

  requiresFeature('kprobes', 'goes by an offset, too, where an instruction begins', () => {
    using object = load('on_kernel_call')
    const program = object.program('on_kernel_call')
    // Where instructions start depends on the compiler; some of the first bytes are such places.
    const links = Array.from({ length: 16 }, (_, i) => i + 1).flatMap((offset) => {
      try {
        return [program.attachKprobe('iterate_dir', { offset })]
      } catch (error) {
        expect(error).toBeInstanceOf(BpfError)
        return []
      }
    })
    expect(links.length).toBeGreaterThan(0)
    readdirSync('/')
    expect((object.bss.seen as Seen).runs).toBeGreaterThan(0n)
    if (kernelIs('6.6')) {
      expect(links[0]!.info()).toMatchObject({ type: 'perf_event', event: 'kprobe', name: 'iterate_dir' })
    }
    for (const link of links) link.close()
  })

  requiresFeature(
    'kprobes',
    'is told by the link, which can be had again',
    () => {
      using object = load('on_kernel_call')
      using link = object
        .program('on_kernel_call')
        .attachKprobe('iterate_dir', { retprobe: true, ...(kernelIs('6.9') ? { cookie: 5 } : {}) })
      const info = link.info()
      expect(info).toMatchObject({ type: 'perf_event', event: 'kretprobe', name: 'iterate_dir', missed: 0n })
      if (kernelIs('6.9')) expect(info).toMatchObject({ cookie: 5n })
      using same = Link.fromId(info.id)
      expect(same.info()).toEqual(info)
    },
    '6.6',
  )

  requiresFeature('kprobes', 'names the nearest when there is no such function', () => {
    using object = load('on_kernel_call')
    const attach = () => object.program('on_kernel_call').attachKprobe('iterate_dirr')
    expect(attach).toThrow(/kprobe 'iterate_dirr': no such kernel function; did you mean .*'iterate_dir'/)
  })

  it('attaches, or the error says why not', () => {
    using object = load('on_kernel_call')
    try {
      object.program('on_kernel_call').attachKprobe('iterate_dir').close()
    } catch (error) {
      if (hasKprobes()) throw error
      expect(error).toMatchObject({
        code: 'ENOENT',
        message:
          "attach program 'on_kernel_call' to kprobe 'iterate_dir': this kernel is built without kprobes (CONFIG_KPROBE_EVENTS) (ENOENT)",
      })
    }
  })

  it('requires a known mode and a symbol', () => {
    using object = load('on_kernel_call')
    const program = object.program('on_kernel_call')
    // @ts-expect-error not a mode
    expect(() => program.attachKprobe('vfs_read', { mode: 'fast' })).toThrow(
      "probe mode 'fast' does not exist",
    )
    expect(() => program.attachKprobe([])).toThrow(TypeError)
  })
})

describe('attachKprobe with maxActive', () => {
  const pin = useBpffs()
  const runs = (object: BpfObject): bigint => (object.bss.seen as Seen).runs
  const ours = (): string[] =>
    readFileSync('/sys/kernel/tracing/kprobe_events', 'utf8')
      .split('\n')
      .filter((line) => line.includes(':libbpf_node/'))

  /** Lets four threads wait in open(2) for a writer, and then lets them go. Returns how many returns were seen. */
  async function returnsOfFour(maxActive: number): Promise<bigint> {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    const fifo = join(folder, 'fifo')
    execFileSync('mkfifo', [fifo])
    using calls = load('on_kernel_call')
    using returns = load('on_kernel_call')
    using _call = calls.program('on_kernel_call').attachKprobe('fifo_open')
    const options = { retprobe: true, maxActive }
    using _return = returns.program('on_kernel_call').attachKprobe('fifo_open', options)
    const opening = Array.from({ length: 4 }, () => open(fifo, 'r'))
    await until('four threads wait', () => runs(calls) === 4n)
    const writer = openSync(fifo, 'w')
    for (const file of await Promise.all(opening)) await file.close()
    closeSync(writer)
    rmSync(folder, { recursive: true })
    return runs(returns)
  }

  requiresFeature('kprobes', 'follows as many calls at a time as it says', async () => {
    expect(await returnsOfFour(1)).toBe(1n)
    // The fifth is that of the writer.
    expect(await returnsOfFour(100)).toBe(5n)
    expect(ours()).toEqual([])
  })

  requiresFeature('kprobes', 'removes its event with the link, however that is closed', async () => {
    using object = load('on_kernel_call')
    const attach = () => object.program('on_kernel_call').attachKprobe('iterate_dir', options)
    const options = { retprobe: true, maxActive: 50, ...(kernelIs('5.15') ? { cookie: 7 } : {}) }
    const link = attach()
    expect(ours()).toEqual([expect.stringMatching(/^r50:libbpf_node\/r_\w+ iterate_dir/)])
    readdirSync('/')
    expect((object.bss.seen as Seen).cookie).toBe(kernelIs('5.15') ? 7n : 0n)
    link.close()
    expect(ours()).toEqual([])
    await Link.closeAll([attach(), attach()])
    expect(ours()).toEqual([])
    attach()
    object.close()
    expect(ours()).toEqual([])
  })

  requiresFeature('kprobes', 'removes what a process left that was killed', async () => {
    const script = `
      import { readFileSync } from 'node:fs'
      import { BpfObject } from 'libbpf-node'
      const object = BpfObject.open(process.argv[1])
      object.program('on_kernel_call').autoload = true
      object.loadSync()
      object.program('on_kernel_call').attachKprobe('iterate_dir', { retprobe: true, maxActive: 20 })
      if (process.argv[2] === 'killed') process.kill(process.pid, 'SIGKILL')`
    const file = objectPath('attach-trace')
    expect(await runChild(script, [file, 'ends'])).toMatchObject({ status: 0 })
    expect(ours()).toEqual([])
    expect(await runChild(script, [file, 'killed'])).toMatchObject({ signal: 'SIGKILL' })
    expect(ours()).toEqual([expect.stringMatching(/^r20:/)])
    using object = load('on_kernel_call')
    const options = { retprobe: true, maxActive: 30 }
    using _link = object.program('on_kernel_call').attachKprobe('iterate_dir', options)
    expect(ours()).toEqual([expect.stringMatching(/^r30:/)])
  })

  requiresFeature(
    'kprobes',
    'stays as long as its link is pinned',
    async () => {
      using object = load('on_kernel_call')
      const options = { retprobe: true, maxActive: 20 }
      const link = object.program('on_kernel_call').attachKprobe('iterate_dir', options)
      link.pin(pin('link'))
      link.close()
      const before = runs(object)
      readdirSync('/')
      expect(runs(object)).toBeGreaterThan(before)
      rmSync(pin('link'))
      // When this process has ended, the next one would remove what is left. The kernel takes its time.
      const [, name] = /:(libbpf_node\/\w+)/.exec(ours()[0]!)!
      await until('the event can be removed', () => {
        try {
          writeFileSync('/sys/kernel/tracing/kprobe_events', `-:${name}`, { flag: 'a' })
          return true
        } catch {
          return false
        }
      })
      expect(ours()).toEqual([])
    },
    '5.15',
  )

  requiresFeature('kprobes', 'leaves nothing when there is no such function', () => {
    using object = load('on_kernel_call')
    const program = object.program('on_kernel_call')
    const options = { retprobe: true, maxActive: 20 }
    expect(() => program.attachKprobe('iterate_dirr', options)).toThrow(
      /kretprobe 'iterate_dirr': no such kernel function; did you mean .*'iterate_dir'/,
    )
    using link = program.attachKprobe(['iterate_dirr', 'iterate_dir'], options)
    expect(link.target).toBe('iterate_dir')
    expect(ours()).toHaveLength(1)
  })

  it('refuses what does not go with it', () => {
    using object = load('on_kernel_call')
    const attach = (options: KprobeOptions) => () =>
      object.program('on_kernel_call').attachKprobe('iterate_dir', options)
    expect(attach({ maxActive: 20 })).toThrow(
      'maxActive requires retprobe, and cannot be combined with mode or offset',
    )
    expect(attach({ retprobe: true, mode: 'perf', maxActive: 20 })).toThrow(TypeError)
    expect(attach({ retprobe: true, maxActive: 0 })).toThrow('maxActive is not between 1 and 4096: 0')
    expect(attach({ retprobe: true, maxActive: 5000 })).toThrow(RangeError)
    expect(attach({ retprobe: true, maxActive: 1.5 })).toThrow('maxActive is not an integer')
    if (!hasKprobes()) {
      expect(attach({ retprobe: true, maxActive: 20 })).toThrow(
        "attach program 'on_kernel_call' to kretprobe 'iterate_dir': this kernel is built without kprobes (CONFIG_KPROBE_EVENTS) (ENOENT)",
      )
    }
  })
})

describe('attachKsyscall', () => {
  requiresFeature('kprobes', 'runs when the system call is made', () => {
    using object = load('on_kernel_call')
    using _link = object.program('on_kernel_call').attachKsyscall('getdents64')
    readdirSync('/')
    expect((object.bss.seen as Seen).runs).toBeGreaterThan(0n)
  })

  requiresFeature('kprobes', 'runs when the system call returns', () => {
    using object = load('on_kernel_call')
    using _link = object.program('on_kernel_call').attachKsyscall('getdents64', { retprobe: true })
    readdirSync('/')
    expect((object.bss.seen as Seen).runs).toBeGreaterThan(0n)
  })

  requiresFeature('kprobes', 'is what SEC("ksyscall") names, and gives the arguments', () => {
    using object = load('on_system_call')
    using link = object.program('on_system_call').attach()
    readdirSync('/')
    // The third argument is the size of a buffer: libuv reads folders with 32 KiB, libc with another size.
    expect((object.bss.seen as Seen & { argument: bigint }).argument).toBeGreaterThan(1000n)
    expect(link.target).toBe('ksyscall/getdents64')
  })

  requiresFeature('kprobes', 'says that there is no such system call', () => {
    using object = load('on_kernel_call')
    expect(() => object.program('on_kernel_call').attachKsyscall('getdent')).toThrow(
      "system call 'getdent': this kernel has no system call of that name",
    )
  })
})

describe('attachKprobeMulti', () => {
  const runs = (object: BpfObject): bigint => (object.bss.seen as Seen).runs

  requiresFeature('fprobe', 'attaches to all that match, on the pool', async () => {
    using object = load('on_kernel_calls')
    using link = await object.program('on_kernel_calls').attachKprobeMulti({ pattern: 'iterate_di*' })
    readdirSync('/')
    expect(runs(object)).toBeGreaterThan(0n)
    expect(link.info()).toMatchObject({ type: 'kprobe_multi' })
    const before = runs(object)
    await link.closeAsync()
    readdirSync('/')
    expect(runs(object)).toBe(before)
  })

  const twoCookies = { symbols: ['vfs_write', 'iterate_dir'], cookies: [1, 2] }
  requiresFeature('fprobe', 'gives each function a cookie', () => {
    using object = load('on_kernel_calls')
    using _link = object.program('on_kernel_calls').attachKprobeMultiSync(twoCookies)
    readdirSync('/')
    expect((object.bss.seen as Seen).cookie).toBe(2n)
  })

  const tellsOfFunctions = () => {
    using object = load('on_kernel_calls')
    using link = object.program('on_kernel_calls').attachKprobeMultiSync(twoCookies)
    const info = link.info()
    expect(info).toMatchObject({ type: 'kprobe_multi', count: 2, flags: 0, missed: 0n })
    // The kernel sorts them by address.
    if (info.type === 'kprobe_multi' && kernelIs('6.9')) expect([...info.cookies].sort()).toEqual([1n, 2n])
  }
  requiresFeature('fprobe', 'tells of its functions', tellsOfFunctions, '6.6')

  requiresFeature('fprobe', 'runs when a function returns', () => {
    using object = load('on_kernel_calls')
    const options = { symbols: ['iterate_dir'], retprobe: true }
    using link = object.program('on_kernel_calls').attachKprobeMultiSync(options)
    readdirSync('/')
    expect(runs(object)).toBeGreaterThan(0n)
    if (kernelIs('6.6')) expect(link.info()).toMatchObject({ flags: 1 })
  })

  requiresFeature('fprobe', 'goes by addresses', () => {
    const address = /^([0-9a-f]+) [tT] iterate_dir$/m.exec(readFileSync('/proc/kallsyms', 'utf8'))?.[1]
    using object = load('on_kernel_calls')
    using _link = object
      .program('on_kernel_calls')
      .attachKprobeMultiSync({ addresses: [BigInt(`0x${address}`)], cookies: [3] })
    readdirSync('/')
    expect((object.bss.seen as Seen).cookie).toBe(3n)
  })

  requiresFeature(
    'fprobe',
    'runs at both ends in a session',
    () => {
      using object = load('on_kernel_call_and_return')
      using _link = object
        .program('on_kernel_call_and_return')
        .attachKprobeMultiSync({ symbols: ['iterate_dir'], session: true })
      readdirSync('/')
      expect(object.bss.returns).toBeGreaterThan(0n)
      expect(runs(object)).toBe(object.bss.returns)
    },
    '6.10',
  )

  requiresFeature('fprobe', 'says which function does not exist', () => {
    using object = load('on_kernel_calls')
    const attach = (options: KprobeMultiOptions) => () =>
      object.program('on_kernel_calls').attachKprobeMultiSync(options)
    expect(attach({ symbols: ['vfs_read', 'iterate_dirr'] })).toThrow(
      "'iterate_dirr': no such kernel function; did you mean 'iterate_dir'",
    )
    expect(attach({ pattern: 'no_such_function_*' })).toThrow('no kernel function that can be probed matches')
  })

  it('attaches, or the error says why not', () => {
    using object = load('on_kernel_calls')
    const program = object.program('on_kernel_calls')
    try {
      program.attachKprobeMultiSync({ symbols: ['iterate_dir'] }).close()
    } catch (error) {
      if (kernelFunctions('register_fprobe_ips').length > 0) throw error
      expect((error as BpfError).message).toMatch(
        /this kernel is built without CONFIG_FPROBE|it came with Linux 5.18/,
      )
    }
  })

  it('requires one cookie per function, and exactly one way to select functions', async () => {
    using object = load('on_kernel_calls')
    const program = object.program('on_kernel_calls')
    await expect(program.attachKprobeMulti({ symbols: ['a', 'b'], cookies: [1] })).rejects.toThrow(
      'cookies has 1 elements for 2 functions',
    )
    for (const options of [{}, { symbols: [] }, { pattern: 'a', symbols: ['a'] }]) {
      await expect(program.attachKprobeMulti(options)).rejects.toThrow(TypeError)
    }
  })
})

describe('kernelFunctions', () => {
  it('filters names with wildcards and regular expressions', () => {
    expect(kernelFunctions('vfs_rea?')).toContain('vfs_read')
    expect(kernelFunctions('vfs_*')).toContain('vfs_write')
    expect(kernelFunctions(/^vfs_(read|write)$/).sort()).toEqual(['vfs_read', 'vfs_write'])
    expect(kernelFunctions('no such thing')).toEqual([])
  })
})
