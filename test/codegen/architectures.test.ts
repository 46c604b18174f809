// One generated class for several machines.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BpfObject } from 'libbpf-node'
import { readObject } from 'libbpf-node/asm'
import { beforeAll, describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { slowness } from '../helpers/slowness.js'
import { gen, libbpfNode, tsc, useFolder } from './helper.js'

const folder = useFolder()
const file = (name: string) => join(folder, name)

const calls = readFileSync(new URL('calls.bpf.c', import.meta.url), 'utf8')

/** What a module opens if Node.js says that it runs on another machine. */
async function openedAs(arch: string, module: string, name: string): Promise<string> {
  const script = `
    import 'libbpf-node'
    const { ${name}: Class } = await import(process.argv[1])
    Object.defineProperty(process, 'arch', { value: '${arch}' })
    try {
      const object = Class.open()
      const names = [...object.types.names('struct')]
      console.log(JSON.stringify({ names, littleEndian: object.types.littleEndian }))
    } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message }))
    }`
  const { stdout, stderr } = await runChild(script, [pathToFileURL(module).href])
  expect(stderr).toBe('')
  return stdout
}

beforeAll(async () => {
  writeFileSync(file('calls.bpf.c'), calls)
  await gen('--arch', 'x64,arm64', file('calls.bpf.c'))
  expect(await tsc(folder)).toBe('')
}, 60_000 * slowness)

describe('gen --arch', () => {
  it('writes a module with an object for each machine, and opens the right one', async () => {
    const own = JSON.parse(await openedAs('x64', file('calls.skel.js'), 'Calls')) as { names: string[] }
    expect(own.names).toContain('pt_regs')
    expect(own.names).not.toContain('user_pt_regs')
    const other = JSON.parse(await openedAs('arm64', file('calls.skel.js'), 'Calls')) as { names: string[] }
    expect(other.names).toContain('user_pt_regs')
    expect(readFileSync(file('calls.skel.ts'), 'utf8')).toMatch(/bytes for x64, .* for arm64/)
  })

  it('says for which machines there is an object', async () => {
    const error = JSON.parse(await openedAs('riscv64', file('calls.skel.js'), 'Calls')) as object
    expect(error).toMatchObject({
      code: 'ENOTSUP',
      message: expect.stringContaining('gen --arch x64,arm64,riscv64'),
    })
  })

  it('reads the registers of this machine, and its types', async () => {
    const { Calls } = (await import(pathToFileURL(file('calls.skel.js')).href)) as {
      Calls: { open(): BpfObject }
    }
    using object = Calls.open()
    object.program('on_unlink').autoload = false
    object.loadSync()
    object.bss.wanted = process.pid
    object.program('on_enter').attach()
    process.kill(process.pid, 0)
    const seen = object.map<number, { argument: bigint; comm: string }>('copies').get(0)
    expect(seen?.argument).toBe(BigInt(process.pid))
    expect(seen?.comm).not.toBe('')
  })

  it('puts the objects beside the module with --external, and takes TypeScript', async () => {
    const typescript = `
import { kprobe, ringbuf, type u64 } from 'libbpf-node/kernel'
interface Unlinked { folder: u64 }
export const events = ringbuf<Unlinked>(4096)
export const onUnlink = kprobe('do_unlinkat', (folder) => {
  events.emit({ folder })
  return 0
})
export const license = 'GPL'
`
    writeFileSync(file('unlink.bpf.ts'), typescript)
    await gen('--arch', 'x64,arm64', '--external', file('unlink.bpf.ts'))
    const objects = ['x64', 'arm64'].map((arch) => readFileSync(file(`unlink.${arch}.bpf.o`)))
    expect(objects[0]!.equals(objects[1]!)).toBe(false)
    for (const object of objects) BpfObject.open(object).close()
    expect(await tsc(folder)).toBe('')
    const isForeign = async (arch: string) =>
      (await openedAs(arch, file('unlink.skel.js'), 'Unlink')).includes('pt_regs___foreign')
    expect([await isForeign('x64'), await isForeign('arm64')]).toEqual([
      process.arch !== 'x64',
      process.arch !== 'arm64',
    ])
  })

  it('makes objects and codecs in both byte orders', async () => {
    mkdirSync(file('order'), { recursive: true })
    writeFileSync(file('order/order.bpf.c'), calls)
    await gen('--arch', 'x64,s390x', file('order/order.bpf.c'))
    const text = readFileSync(file('order/order.skel.ts'), 'utf8')
    expect(text).toContain('rt.littleEndian === true ?')
    const [, swapped] = /function otherByteOrder\(\) \{\n([\s\S]*?)const object/.exec(text)!
    expect(swapped).toContain('getUint32(o, false)')
    expect(swapped).not.toContain(', true)')
    const [, base64] = /s390x: rt\.embedded\(`([^`]*)`/.exec(text)!
    expect(readObject(Buffer.from(base64!, 'base64')).elf.littleEndian).toBe(false)
    expect(await tsc(file('order'))).toBe('')
    const opened = await openedAs('s390x', file('order/order.skel.js'), 'Order')
    expect(JSON.parse(opened)).toMatchObject({ littleEndian: false })
  })

  it('refuses what cannot be', async () => {
    const refusal = async (...args: string[]) => (await libbpfNode(['gen', ...args])).stderr
    expect(await refusal('--arch', 'x64,vax', file('calls.bpf.c'))).toContain('the machines are x64, arm64')
    expect(await refusal('--arch', 'x64', '--target', 'bpfeb', file('calls.bpf.c'))).toContain('--target')
    expect(await refusal('--arch', 'riscv64', file('unlink.bpf.ts'))).toContain('x64 and arm64')
    expect(existsSync(file('unlink.x64.bpf.o'))).toBe(true)
    expect(await refusal('--arch', 'x64,arm64', file('unlink.x64.bpf.o'))).toContain('needs its source')
    writeFileSync(file('differs.bpf.c'), `${calls}\n#ifdef __TARGET_ARCH_arm64\nint only_here;\n#endif\n`)
    expect(await refusal('--arch', 'x64,arm64', file('differs.bpf.c'))).toMatch(
      /need different code.*only_here/,
    )
    rmSync(file('differs.bpf.c'))
  })
})
