// CO-RE: objects are relocated with the kernel's BTF, or with a file that is given instead.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfError, BtfTypes } from 'libbpf-node'
import { afterAll, describe, expect, it } from 'vitest'
import { BtfWriter, kernelBtfBytes } from '../btf/helper.js'
import { load, open, thrownBy } from '../helpers/objects.js'

const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-core-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function save(name: string, bytes: Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

/** The results of the relocations, which the program stores when it is loaded. */
function answers(btfCustomPath?: string): Record<string, unknown> {
  using object = load('core', btfCustomPath === undefined ? {} : { btfCustomPath })
  object.program('ask').testRunSync({ data: new Uint8Array(64) })
  return { ...object.bss }
}

/** Types of a kernel that does not exist. */
function invented(): Uint8Array {
  const writer = new BtfWriter()
  const int = writer.int('int', 4, 1)
  writer.record('struct', 'task_struct', 80, [
    ['invented_member', int, 0],
    ['tgid', int, 44 * 8],
  ])
  writer.add('enum', 'bpf_map_type', 4, [writer.string('BPF_MAP_TYPE_HASH'), 77], 1)
  return writer.bytes()
}

/** The kernel's BTF, with `tgid` of `struct task_struct` at the offset of `pid`. */
function moved(): { bytes: Uint8Array; pidOffset: number } {
  const bytes = Uint8Array.from(kernelBtfBytes())
  const task = new BtfTypes(bytes).get('task_struct', 'struct')
  const [pid, tgid] = ['pid', 'tgid'].map((name) => task.members.find((member) => member.name === name)!)
  // A member has 12 bytes: name, type, offset in bits. These two are next to each other.
  const places = Uint32Array.of(pid!.bitOffset, tgid!.bitOffset)
  const view = new DataView(bytes.buffer)
  const at = [...bytes.keys()].filter(
    (i) =>
      i % 4 === 0 &&
      i + 24 <= bytes.length &&
      view.getUint32(i + 8, true) === places[0] &&
      view.getUint32(i + 20, true) === places[1] &&
      view.getUint32(i + 4, true) === pid!.typeId &&
      view.getUint32(i + 16, true) === tgid!.typeId,
  )
  expect(at.length).toBe(1)
  view.setUint32(at[0]! + 20, places[0]!, true)
  return { bytes, pidOffset: pid!.bitOffset / 8 }
}

describe('CO-RE', () => {
  const types = new BtfTypes(kernelBtfBytes())
  const task = types.get('task_struct', 'struct')
  const tgid = task.members.find(({ name }) => name === 'tgid')!

  it("uses the running kernel's types", () => {
    expect(answers()).toEqual({
      task_size: task.size,
      tgid_offset: tgid.bitOffset / 8,
      has_invented: 0,
      hash_type: 1,
    })
  })

  it('uses the types of the file in btfCustomPath instead', () => {
    expect(answers(save('invented', invented()))).toEqual({
      task_size: 80,
      tgid_offset: 44,
      has_invented: 1,
      hash_type: 77,
    })
  })

  it("uses a changed copy of the kernel's types", () => {
    const { bytes, pidOffset } = moved()
    expect(answers(save('moved', bytes))).toMatchObject({ task_size: task.size, tgid_offset: pidOffset })
    expect(pidOffset).not.toBe(tgid.bitOffset / 8)
  })

  it('uses the types in the bytes of btfCustom instead', () => {
    const { bytes, pidOffset } = moved()
    using object = load('core', { btfCustom: bytes })
    object.program('ask').testRunSync({ data: new Uint8Array(64) })
    expect(object.bss.tgid_offset).toBe(pidOffset)
    expect(
      thrownBy(() => open('core', { btfCustom: bytes, btfCustomPath: '/sys/kernel/btf/vmlinux' })),
    ).toBeInstanceOf(TypeError)
    expect(thrownBy(() => open('core', { btfCustom: 'text' as never }))).toBeInstanceOf(TypeError)
    using broken = open('core', { btfCustom: Uint8Array.of(1, 2, 3) })
    expect(thrownBy(() => broken.loadSync())).toMatchObject({
      message: expect.stringContaining('btfCustom cannot be read as BTF'),
    })
  })

  it('says what is wrong with the file in btfCustomPath', () => {
    for (const path of [join(folder, 'nothing'), save('no-btf', Buffer.from('no BTF at all'))]) {
      using object = open('core', { btfCustomPath: path })
      const error = thrownBy(() => object.loadSync())
      expect(error).toBeInstanceOf(BpfError)
      expect((error as Error).message).toContain(path)
    }
  })
})
