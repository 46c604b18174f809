import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { BpfMap, BpfObject } from 'libbpf-node'
import { afterAll, describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'
import { useBpffs } from '../helpers/privileged.js'

const packet = { data: new Uint8Array(64) }

describe('the option name', () => {
  it('replaces the file name, in libbpf and in the kernel', () => {
    using object = load('globals', { name: 'other' })
    expect(object.name).toBe('other')
    expect(object.map('.rodata').name).toBe('other.rodata')
    expect(object.map('.rodata').info().name).toBe('other.rodata')
  })

  it('is truncated to 15 characters by libbpf', () => {
    using object = load('globals', { name: 'a_rather_long_name' })
    expect(object.name).toBe('a_rather_long_n')
    expect(object.map('.bss').info().name).toMatch(/^a_rather.*\.bss$/)
  })
})

describe('the option pinRootPath', () => {
  const bpffs = useBpffs()

  it('is where maps with LIBBPF_PIN_BY_NAME are pinned, but no other maps', () => {
    using object = load('pinned', { pinRootPath: bpffs() })
    expect(object.map('shared').pinPath).toBe(bpffs('shared'))
    expect(object.map('shared').isPinned).toBe(true)
    expect(object.map('private').isPinned).toBe(false)
    expect(existsSync(bpffs('private'))).toBe(false)
    using pinned = BpfMap.fromPin(bpffs('shared'))
    expect(pinned.id).toBe(object.map('shared').id)
    object.map('shared').unpin()
    expect(existsSync(bpffs('shared'))).toBe(false)
  })

  it('lets a second object reuse the map of the first', () => {
    using first = load('pinned', { pinRootPath: bpffs() })
    using second = load('pinned', { pinRootPath: bpffs() })
    expect(second.map('shared').id).toBe(first.map('shared').id)
    expect(second.map('private').id).not.toBe(first.map('private').id)
    first.program('count').testRunSync(packet)
    second.program('count').testRunSync(packet)
    expect(second.map<number, bigint>('shared').get(0)).toBe(2n)
    expect(second.map<number, bigint>('private').get(0)).toBe(1n)
    first.map('shared').unpin()
  })

  it('must be on a BPF file system', () => {
    using object = open('pinned', { pinRootPath: tmpdir() })
    expect(() => object.loadSync()).toThrow(/is not on a BPF file system/)
  })
})

describe('the option kconfig', () => {
  it('adds to the kernel configuration that programs read', () => {
    using object = open('globals', {
      kconfig: 'CONFIG_LIBBPF_NODE=30\nCONFIG_LIBBPF_NAME="zebra"\n',
    })
    object.rodata.number = 0
    object.rodata.negative = 0n
    object.data.counter = 0n
    object.loadSync()
    expect(object.kconfig.CONFIG_LIBBPF_NODE).toBe(30)
    expect(object.kconfig.CONFIG_LIBBPF_NAME).toBe('zebra')
    object.program('calculate').testRunSync(packet)
    expect(object.bss.sum).toBe(30 + 5)
    expect((object.bss.bytes as Uint8Array)[2]).toBe('z'.charCodeAt(0))
  })

  it('overrides the configuration of the running kernel', () => {
    using changed = load('globals', { kconfig: 'CONFIG_BPF_SYSCALL=n\n' })
    expect(changed.kconfig.CONFIG_BPF_SYSCALL).toBe(false)
    using object = load('globals', { kconfig: '' })
    expect(object.kconfig.CONFIG_BPF_SYSCALL).toBe(true)
    expect(object.kconfig.CONFIG_LIBBPF_NODE).toBe(0)
  })

  it('is refused if a value does not fit', () => {
    using object = open('globals', { kconfig: 'CONFIG_LIBBPF_NODE=y\n' })
    expect(thrownBy(() => object.loadSync())).toMatchObject({ operation: 'bpf_object__load' })
  })
})

describe('the option btfCustomPath', () => {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-btf-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it("relocates against a file with the kernel's BTF", () => {
    const btfCustomPath = join(folder, 'vmlinux')
    copyFileSync('/sys/kernel/btf/vmlinux', btfCustomPath)
    using object = load('exec', { btfCustomPath })
    expect(object.loaded).toBe(true)
  })

  it('fails for a file without BTF', () => {
    const btfCustomPath = join(folder, 'text')
    writeFileSync(btfCustomPath, 'this is no BTF')
    using object = open('exec', { btfCustomPath })
    const error = thrownBy(() => object.loadSync())
    expect(error).toMatchObject({ code: 'LIBBPF_ERRNO__FORMAT', object: 'exec' })
    expect((error as Error).message).toContain(btfCustomPath)
  })

  it('fails for a file that does not exist', () => {
    using object = open('exec', { btfCustomPath: join(folder, 'nothing') })
    expect(thrownBy(() => object.loadSync())).toMatchObject({ code: 'ENOENT', object: 'exec' })
  })
})

describe('the option relaxedMaps', () => {
  it('allows map attributes that libbpf does not know', () => {
    expect(() => open('relaxed').close()).toThrow(/colour/)
    using object = load('relaxed', { relaxedMaps: true })
    expect(object.map('map').info().maxEntries).toBe(1)
  })
})

describe('the option bpfTokenPath', () => {
  const bpffs = useBpffs()

  it("means no token if it is ''", () => {
    using object = load('maps', { bpfTokenPath: '' })
    expect(object.tokenFd).toBeUndefined()
  })

  requiresKernel('6.9', 'must be a BPF file system that delegates', () => {
    using object = open('maps', { bpfTokenPath: dirname(bpffs()) })
    const error = thrownBy(() => object.loadSync())
    expect(error).toMatchObject({ code: expect.stringMatching(/ENOENT|ENOTSUP|EPERM/) })
    expect((error as Error).message).toContain('token')
  })
})

describe('the options kernelLogLevel and kernelLogSize', () => {
  it("fill kernelLog with the verifier's log of a program that loads", () => {
    using object = load('globals', { kernelLogLevel: 2, kernelLogSize: 1 << 20 })
    expect(object.kernelLog).toMatch(/^func#0 @0|^0: R1/m)
    expect(object.kernelLog).toMatch(/processed \d+ insns/)
  })

  it('leave kernelLog empty at level 0', () => {
    using object = load('globals', { kernelLogSize: 1 << 20 })
    expect(object.kernelLog).toBe('')
    using without = load('globals')
    expect(without.kernelLog).toBe('')
  })

  it('do not keep the buffer of an object that is closed', () => {
    const megabytes = () =>
      Number(/VmSize:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) >> 10
    const before = megabytes()
    for (let i = 0; i < 100; i++) open('maps', { kernelLogSize: 64 << 20 }).close()
    expect(megabytes() - before).toBeLessThan(1000)
  })

  it('fail if the buffer is too small for the log', () => {
    using object = open('globals', { kernelLogLevel: 2, kernelLogSize: 200 })
    expect(thrownBy(() => object.loadSync())).toMatchObject({ code: 'ENOSPC' })
  })
})

describe('options of a wrong type or out of range', () => {
  it.each([
    ['name', 5],
    ['pinRootPath', {}],
    ['kconfig', 'CONFIG_A=y\0'],
    ['btfCustomPath', null],
    ['bpfTokenPath', true],
    ['relaxedMaps', 'yes'],
    ['kernelLogLevel', '1'],
    ['kernelLogSize', 1.5],
  ])('%s: %j is a TypeError', (option, value) => {
    expect(() => BpfObject.open(objectPath('maps'), { [option]: value })).toThrow(TypeError)
  })

  it.each([
    ['kernelLogLevel', -1],
    ['kernelLogSize', 2 ** 32],
  ])('%s: %d is a RangeError', (option, value) => {
    expect(() => BpfObject.open(objectPath('maps'), { [option]: value })).toThrow(RangeError)
  })
})
