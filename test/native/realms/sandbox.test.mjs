// Run by test/native/realms.test.ts with vitest's vmForks pool: here, as with Jest, this file and the package live in
// a vm context, but native code makes its errors and bytes outside of it.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { BpfError, BpfMap, BpfObject, Linker, listMaps, VerifierError } from 'libbpf-node'
import { expect, it } from 'vitest'

const objects = new URL('../../../dist/test/bpf/', import.meta.url)
const pathOf = (name) => new URL(`${name}.bpf.o`, objects).pathname
const bytes = (...values) => Uint8Array.from(values)
const key = (n) => bytes(n & 255, n >> 8, 0, 0)

function thrownBy(call) {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

it('runs in a realm whose Error is not the one of Node.js', () => {
  expect(thrownBy(() => readFileSync('/nothing')) instanceof Error).toBe(false)
})

it('throws a BpfError with code, errno, operation and sentence when the kernel refuses a call', () => {
  const map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 })
  map.set(key(1), key(1))
  const error = thrownBy(() => map.set(key(1), key(2), { flags: 1 }))
  expect(error).toBeInstanceOf(BpfError)
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ code: 'EEXIST', errno: 17, operation: 'bpf_map_update_elem' })
  expect(error.message).toMatch(/EEXIST/)
  expect(JSON.parse(JSON.stringify(error))).toMatchObject({ name: 'BpfError', code: 'EEXIST', errno: 17 })
  map.close()
})

it('throws TypeErrors and RangeErrors of this realm for misuse', () => {
  const object = BpfObject.open(pathOf('programs'))
  object.loadSync()
  const program = object.program('mark')
  expect(thrownBy(() => program.testRunSync({ data: 'text' }))).toBeInstanceOf(TypeError)
  expect(thrownBy(() => program.testRunSync({ dataOutSize: 2 ** 31 }))).toBeInstanceOf(RangeError)
  object.close()
})

it('rejects with a BpfError of this realm', async () => {
  const object = BpfObject.open(pathOf('bad-huge-map'))
  const error = await object.load().then(
    () => undefined,
    (error) => error,
  )
  expect(error).toBeInstanceOf(BpfError)
  expect(error).toBeInstanceOf(Error)
  object.close()
})

it('throws a VerifierError when the verifier rejects a program', () => {
  const object = BpfObject.open(pathOf('bad-pointer'))
  expect(thrownBy(() => object.loadSync())).toBeInstanceOf(VerifierError)
  object.close()
})

it('opens a URL, and returns bytes that are Uint8Arrays here', async () => {
  const object = BpfObject.open(pathToFileURL(pathOf('programs')))
  await object.load()
  const { data, context } = await object.program('mark').testRun({ data: new Uint8Array(64) })
  expect(data).toBeInstanceOf(Uint8Array)
  expect(context).toBeInstanceOf(Uint8Array)
  expect(object.program('mark').instructions).toBeInstanceOf(Uint8Array)
  object.close()
})

it('links objects and lists maps, which closes what it opens on the way', async () => {
  expect(typeof Symbol.dispose).toBe('symbol')
  const bytes = await Linker.link([pathOf('linked-main'), pathOf('linked-library')])
  expect(bytes.length).toBeGreaterThan(0)
  const map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 })
  expect([...listMaps()].map(({ id }) => id)).toContain(map.id)
  map[Symbol.dispose]()
  expect(thrownBy(() => map.get(key(1)))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
})

it('falls back to single calls where the kernel has no batches', () => {
  const ifindex = key(1)
  const devices = BpfMap.create({ type: 'devmap_hash', keySize: 4, valueSize: 4, maxEntries: 4 })
  devices.set(key(7), ifindex)
  expect(devices.deleteMany([key(7), key(8)])).toBe(1)
  devices.close()
  const map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 8 })
  map.set(key(1), key(1))
  const error = thrownBy(() => map.setMany([[key(1), key(2)]], { flags: 1 }))
  expect(error).toMatchObject({ code: 'EEXIST' })
  map.close()
})

it('reads a hash in batches that are smaller than a bucket', () => {
  const map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1000 })
  for (let i = 0; i < 1000; i++) map.set(key(i), key(i))
  let count = 0
  for (const batch of map.raw.batches({ size: 1 })) count += batch.count ?? batch.length
  expect(count).toBe(1000)
  map.close()
})
