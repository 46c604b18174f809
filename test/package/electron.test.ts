// Electron refuses external buffers. The addon does not call the functions that create them, and works where these
// fail.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ordinaryAddon, runChild } from '../helpers/child.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const addon = join(root, 'build/Release/libbpf_node.node')
let folder = ''
let shim = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'libbpf-node-electron-'))
  shim = join(folder, 'shim.so')
  const source = fileURLToPath(new URL('no-external-buffers.c', import.meta.url))
  const include = join(root, 'node_modules/node-api-headers/include')
  execFileSync('cc', ['-shared', '-fPIC', '-Wall', '-Werror', `-I${include}`, '-o', shim, source, '-ldl'])
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('the addon does not import functions that create external buffers', () => {
  const needed = execFileSync('readelf', ['-W', '--dyn-syms', addon], { encoding: 'utf8' })
  expect(needed).toContain('napi_create_arraybuffer')
  expect(needed).not.toContain('napi_create_external_')
})

// npm run test:no-external-buffers runs the whole suite with the shim; this is an excerpt.
it('events, maps, globals and BTF work where external buffers are refused', async () => {
  const script = `
    import { BpfObject, Btf } from 'libbpf-node'
    const object = BpfObject.open('dist/test/bpf/ring.bpf.o')
    await object.load()
    const ring = object.ringBuffer('events', 'record')
    const emit = () => object.program('emit').testRunSync({ data: new Uint8Array(64), repeat: 100 })
    emit()
    let sum = 0n
    let count = 0
    for await (const record of ring) {
      sum += record.number
      if (++count === 100) break
    }
    emit()
    ring.close()
    const raw = object.ringBuffer('events')
    raw.drain((view, offset) => { sum += view.getBigUint64(offset, true) })
    raw.consume()
    raw.close()
    const array = object.map('not_a_ring')
    array.set(0, 7)
    console.log(String(sum), array.get(0), array.raw.get(new Uint8Array(4)).join(), object.bss.emitted,
      Btf.fromKernel().toC().includes('struct task_struct {'))
    object.close()
  `
  const { status, stdout, stderr } = await runChild(script, [], {
    env: { ...ordinaryAddon, LD_PRELOAD: shim },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout.trim()).toBe(`${(199 * 200) / 2} 7 7,0,0,0 200n true`)
})
