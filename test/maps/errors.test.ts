import { closeSync, openSync } from 'node:fs'
import { BpfError, BpfMap } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'

const key = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer)

describe('the message of an operation that the kernel refuses', () => {
  it('names the end of an array', () => {
    using object = load('tail-calls')
    const jumps = object.map<number, number, number>('jumps')
    const error = thrownBy(() => jumps.delete(999))
    expect(error).toMatchObject({ code: 'E2BIG', map: 'jumps', operation: 'bpf_map_delete_elem' })
    expect((error as Error).message).toBe(
      `map 'jumps': delete: the key is beyond the end: the map has ${jumps.maxEntries} entries (E2BIG)`,
    )
    expect(thrownBy(() => jumps.deleteMany([999]))).toMatchObject({
      message: expect.stringContaining('the key is beyond the end'),
    })
    using array = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    expect(() => array.set(key(1), key(1))).toThrow('the key is beyond the end: the map has 1 entry (E2BIG)')
    expect(() => array.delete(key(0))).toThrow('the entries of an array cannot be deleted (EINVAL)')
  })

  it.each([
    ['hash', {}],
    ['lpm_trie', { keySize: 8, flags: 1 }],
    ['queue', { keySize: 0 }],
  ] as const)('says that a %s is full', (type, layout) => {
    using map = BpfMap.create({ type, keySize: 4, valueSize: 4, maxEntries: 2, ...layout })
    const keyOf = (n: number): Uint8Array | undefined =>
      type === 'queue' ? undefined : type === 'lpm_trie' ? Uint8Array.of(32, 0, 0, 0, 10, 0, 0, n) : key(n)
    map.set(keyOf(1)!, key(1)).set(keyOf(2)!, key(2))
    const error = thrownBy(() => map.set(keyOf(3)!, key(3)))
    expect((error as Error).message).toContain('set: the map is full: it has room for 2 ')
  })

  it.each(['sockmap', 'sockhash'] as const)('says which values of a %s can be read', (type) => {
    using map = BpfMap.create({ type, keySize: 4, valueSize: 4, maxEntries: 2 })
    const error = thrownBy(() => map.get(key(0)))
    expect(error).toMatchObject({ code: 'ENOSPC' })
    expect((error as Error).message).toContain(
      `reading a ${type} gives the cookies of its sockets, which have 8 bytes; its values are declared with 4`,
    )
  })

  it('names what the type of the map cannot do', () => {
    using trie = BpfMap.create({ type: 'lpm_trie', keySize: 8, valueSize: 4, maxEntries: 2, flags: 1 })
    trie.set(Uint8Array.of(8, 0, 0, 0, 10, 0, 0, 0), key(1))
    expect(() => [...trie.drain()]).toThrow('maps of type lpm_trie do not support this')
    using sockets = BpfMap.create({ type: 'sockmap', keySize: 4, valueSize: 8, maxEntries: 2 })
    const fd = openSync('/dev/null', 'r')
    try {
      expect(() => sockets.set(key(0), new Uint8Array(BigUint64Array.of(BigInt(fd)).buffer))).toThrow(
        'the value is not the descriptor of a socket that this map can hold',
      )
    } finally {
      closeSync(fd)
    }
    expect(() => sockets.delete(key(0))).toThrow('the key has no socket')
    sockets.clear()
    expect(sockets.size).toBe(0)
    using devices = BpfMap.create({ type: 'devmap', keySize: 4, valueSize: 4, maxEntries: 2 })
    expect(() => devices.delete(key(5))).toThrow('the key is beyond the end: the map has 2 entries')
  })

  requiresKernel('5.2', 'names a frozen map, for batches, too', () => {
    using map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 2 })
    map.freeze()
    for (const write of [() => map.set(key(1), key(1)), () => map.setMany([[key(1), key(1)]])]) {
      const error = thrownBy(write)
      expect(error).toMatchObject({ code: 'EPERM' })
      expect((error as Error).message).toContain('the map is frozen or read-only')
    }
  })
})

describe('a closed map', () => {
  it('throws a BpfError, whatever is asked of it', () => {
    const map = BpfMap.create({ type: 'lpm_trie', keySize: 8, valueSize: 4, maxEntries: 4, flags: 1 })
    map.close()
    for (const use of [
      () => map.raw,
      () => map.cidr,
      () => map.clear(),
      () => map.size,
      () => map.type,
      () => map.nextKey(),
      () => map.get(new Uint8Array(8)),
      () => map.getMany([new Uint8Array(8)]),
      () => map.setMany([]),
      () => map.deleteMany([]),
      () => [...map.keys()],
      () => [...map.batches()],
      () => [...map.drain()],
      () => map.forEach(() => {}),
      () => map.mmap(),
      () => map.mmapArena(),
      () => map.freeze(),
      () => map.pin('/nonexistent'),
      () => map.memoryUsed,
      () => map.innerMap,
      () => map.info(),
      () => BpfMap.create({ type: 'array_of_maps', keySize: 4, valueSize: 4, maxEntries: 1, innerMap: map }),
    ]) {
      const error = thrownBy(use)
      expect(error).toBeInstanceOf(BpfError)
      expect(error).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    }
  })
})

describe('a map of an object that is loading', () => {
  it('throws a BpfError ERR_BPF_BUSY, whatever is asked of it', async () => {
    using object = open('maps')
    const map = object.map('routes')
    const loading = object.load()
    for (const use of [
      () => map.raw,
      () => map.cidr,
      () => map.clear(),
      () => map.size,
      () => map.type,
      () => [...map.keys()],
      () => map.innerMap,
    ]) {
      const error = thrownBy(use)
      expect(error).toBeInstanceOf(BpfError)
      expect(error).toMatchObject({ code: 'ERR_BPF_BUSY' })
    }
    await loading
    map.clear()
    expect(map.raw.size).toBe(0)
  })
})

describe('more memory than there is', () => {
  it('is a RangeError for batches', async () => {
    using map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 1 << 20, maxEntries: 4 })
    const size = 0xffff_ffff
    expect(thrownBy(() => [...map.batches({ size })])).toBeInstanceOf(RangeError)
    await expect(map.entriesAsync({ size }).next()).rejects.toBeInstanceOf(RangeError)
  })

  it('is a RangeError where memory is limited, and the process goes on', async () => {
    const script = `
      import { execFileSync } from 'node:child_process'
      import { readFileSync } from 'node:fs'
      import { BpfMap } from 'libbpf-node'
      const valueSize = 2 << 20 // Linux 5.10 allows 4 MiB.
      const map = BpfMap.create({ type: 'array', keySize: 4, valueSize, maxEntries: 32 })
      const kept = []
      const until = async (use) => {
        for (let i = 0; i < 100; i++) {
          try { await use() } catch (error) { return error.name }
        }
      }
      const size = Number(/VmSize:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
      execFileSync('prlimit', ['--pid', process.pid, '--as=' + (size + (500 << 20))])
      console.log(
        await until(async () => { for await (const [, value] of map.entriesAsync({ size: 32 })) kept.push(value) }),
        await until(() => map.batches({ size: 256 }).next()),
        kept.length > 0,
      )`
    const result = await runChild(script)
    expect(result).toMatchObject({
      status: 0,
      stdout: 'RangeError RangeError true\n',
      stderr: '',
    })
  })
})
