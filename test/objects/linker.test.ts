import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BpfError, BpfObject, Linker } from 'libbpf-node'
import { afterAll, describe, expect, it } from 'vitest'
import { objectPath, thrownBy } from '../helpers/objects.js'

const main = objectPath('linked-main')
const library = objectPath('linked-library')
const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-linker-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** The return value of the linked program for a packet of 64 bytes. */
async function calculate(bytes: Uint8Array): Promise<number> {
  using object = BpfObject.open(bytes, { name: 'linked' })
  await object.load()
  object.program('calculate').testRunSync({ data: new Uint8Array(64) })
  return Number(object.map<number, bigint>('results').get(1))
}

const result = 64 * 2 * 10

describe('Linker', () => {
  it("links two objects whose programs use each other's functions and variables", async () => {
    const bytes = await Linker.link([main, library])
    expect(await calculate(bytes)).toBe(result)
  })

  it('accepts paths, URLs and bytes, also in linkSync', async () => {
    const bytes = Linker.linkSync([pathToFileURL(main), readFileSync(library)])
    expect(await calculate(bytes)).toBe(result)
    expect(bytes).toEqual(await Linker.link([readFileSync(main), library]))
  })

  it('writes the linked object to a file', async () => {
    const path = join(folder, 'linked.bpf.o')
    using linker = new Linker()
    linker.addSync(main).addSync(library)
    const bytes = await linker.finalize(path)
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes)
    using again = new Linker()
    again.addSync(main).addSync(library)
    again.finalizeSync(pathToFileURL(`${path}2`))
    expect(readFileSync(`${path}2`)).toEqual(readFileSync(path))
  })

  it('copies the bytes that it is given, so they can change while it works', async () => {
    using linker = new Linker()
    const bytes = readFileSync(main)
    const added = linker.add(bytes)
    bytes.fill(0)
    await added
    await linker.add(library)
    expect(await calculate(await linker.finalize())).toBe(result)
  })

  it('strips the DWARF of a single object', () => {
    const before = readFileSync(library)
    const after = Linker.linkSync([library])
    expect(before.includes('.debug_info')).toBe(true)
    expect(Buffer.from(after).includes('.debug_info')).toBe(false)
    expect(after.length).toBeLessThan(before.length)
  })

  it('leaves undefined symbols to BpfObject.open, which names them', () => {
    const bytes = Linker.linkSync([main])
    expect(() => BpfObject.open(bytes)).toThrow(BpfError)
  })

  it('names an object that does not fit, and can then only be closed', async () => {
    using linker = new Linker()
    const junk = join(folder, 'junk.o')
    writeFileSync(junk, 'not an object')
    linker.addSync(main)
    const error = thrownBy(() => linker.addSync(junk))
    expect(error).toBeInstanceOf(BpfError)
    expect(error).toMatchObject({ operation: 'bpf_linker__add_file', target: junk })
    expect((error as Error).message).toContain(`link object '${junk}'`)
    expect(thrownBy(() => linker.addSync(library))).toMatchObject({ code: 'ERR_BPF_STATE' })
    await expect(linker.finalize()).rejects.toMatchObject({ code: 'ERR_BPF_STATE' })
  })

  it('refuses relocations outside of their section, where libbpf would write', () => {
    const path = join(folder, 'far.o')
    for (const [field, value] of [
      ['offset', 2n ** 40n],
      ['offset', 2n ** 64n - 8n],
      ['symbol', 2n ** 30n],
    ] as const) {
      const bytes = readFileSync(objectPath('hold'))
      const u64 = (at: number) => Number(bytes.readBigUInt64LE(at))
      const headers = Array.from({ length: bytes.readUInt16LE(60) }, (_, i) => u64(40) + i * 64)
      // These relocations are in code.
      const relocations = headers.filter(
        (at) =>
          bytes.readUInt32LE(at + 4) === 9 && (u64(headers[bytes.readUInt32LE(at + 44)]! + 8) & 4) === 4,
      )
      expect(relocations.length).toBeGreaterThan(0)
      for (const at of relocations) {
        const first = u64(at + 24)
        if (field === 'offset') bytes.writeBigUInt64LE(value, first)
        else bytes.writeBigUInt64LE((value << 32n) | 1n, first + 8)
      }
      writeFileSync(path, bytes)
      for (const source of [path, bytes]) {
        const error = thrownBy(() => Linker.linkSync([source]))
        expect(error).toMatchObject({ code: 'LIBBPF_ERRNO__FORMAT' })
        expect((error as Error).message).toContain('a relocation outside of the section that it belongs to')
      }
    }
  })

  it('refuses a symbol that is defined twice', async () => {
    await expect(Linker.link([library, library])).rejects.toThrow(/conflicting/)
  })

  it('says that a file does not exist', async () => {
    await expect(Linker.link([join(folder, 'nothing.o')])).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('throws a TypeError for anything that is not a source', async () => {
    using linker = new Linker()
    expect(() => linker.addSync(7 as unknown as string)).toThrow(TypeError)
    await expect(linker.add(null as unknown as string)).rejects.toThrow(TypeError)
  })

  it('throws ERR_BPF_BUSY while it works', async () => {
    using linker = new Linker()
    const first = linker.add(main)
    await expect(linker.add(library)).rejects.toMatchObject({ code: 'ERR_BPF_BUSY' })
    await first
  })

  it('is closed when it is done if close was called while it worked', async () => {
    const linker = new Linker()
    const adding = linker.add(main)
    linker.close()
    linker.close()
    await adding
    expect(thrownBy(() => linker.addSync(library))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it('leaks no descriptors', async () => {
    const open = () => readdirSync('/proc/self/fd').length
    const before = open()
    for (let i = 0; i < 5; i++) {
      await Linker.link([main, library])
      await Linker.link([join(folder, 'nothing.o')]).catch(() => {})
    }
    expect(open()).toBe(before)
  })
})
