import { readFileSync } from 'node:fs'
import { BpfError, BpfObject, Btf, Linker } from 'libbpf-node'
import { describe, expect, it } from 'vitest'

describe('the prebuilt addon for arm64', () => {
  it('runs on arm64', () => {
    expect(process.arch).toBe('arm64')
    const maps = readFileSync('/proc/self/maps', 'utf8')
    expect(maps).toContain('prebuilds/linux-arm64/libbpf-node.glibc.node')
  })

  it('opens objects and reads maps, programs and global variables', () => {
    using object = BpfObject.open('dist/test/bpf/globals.bpf.o')
    expect(object.rodata.number).toBe(7)
    using rings = BpfObject.open(readFileSync('dist/test/bpf/ring.bpf.o'))
    expect([...rings.maps.keys()]).toContain('events')
    expect(rings.map('events').maxEntries).toBe(1 << 20)
    expect([...rings.programs.keys()]).toEqual(['emit', 'discard'])
    expect(() => BpfObject.open(new Uint8Array(100))).toThrow(BpfError)
  })

  it('reads and writes BTF', () => {
    using object = BpfObject.open('dist/test/bpf/ring.bpf.o')
    const codec = object.codec<{ number: bigint }>('record')
    const bytes = codec.encodeBytes({ number: 0x1122334455667788n })
    expect(codec.decode(new DataView(bytes.buffer))).toEqual({ number: 0x1122334455667788n })
    using btf = Btf.fromKernel()
    expect(btf.toC(['list_head'])).toContain('struct list_head *next;')
  })

  it('links objects', async () => {
    using linker = new Linker()
    await linker.add(readFileSync('dist/test/bpf/ring.bpf.o'))
    using object = BpfObject.open(await linker.finalize())
    expect([...object.programs.keys()]).toContain('emit')
  })

  it('reports that bpf() does not exist', async () => {
    using object = BpfObject.open('dist/test/bpf/ring.bpf.o')
    await expect(object.load()).rejects.toThrow(BpfError)
  })
})
