// Values that come from another realm (a vm context), the package inside such a realm, and two copies of the package
// in one process.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import * as bpf from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { copyForEveryone, runChild } from '../helpers/child.js'
import { load, objectPath } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

describe('values of another realm', () => {
  it('are accepted as keys and values', () => {
    using map = bpf.BpfMap.create({ type: 'hash', keySize: 4, valueSize: 8, maxEntries: 4 })
    const key = runInNewContext('new Uint8Array([1, 2, 3, 4])')
    const value = runInNewContext('new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])')
    expect(key instanceof Uint8Array).toBe(false)
    map.set(key, value)
    expect([...map.get(key)!]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(() => map.get(runInNewContext('new Uint16Array(2)'))).toThrow(TypeError)
    expect(() => map.get(runInNewContext('new Uint8Array(3)'))).toThrow(RangeError)
    // @ts-expect-error no bytes
    expect(() => map.get({ [Symbol.toStringTag]: 'Uint8Array', length: 4 })).toThrow()
  })

  it('are accepted as listeners and test data', async () => {
    using object = load('ring')
    const seen: bigint[] = []
    const listener = runInNewContext('(record) => seen.push(record.number)', { seen })
    using ring = object.ringBuffer<{ number: bigint }>('events', 'record')
    ring.on(listener)
    object.program('emit').testRunSync({ data: runInNewContext('new Uint8Array(64)'), repeat: 2 })
    await until('both came', () => seen.length === 2)
    expect(seen).toEqual([0n, 1n])
  })
})

/** Links the modules of dist/lib inside a new vm context. Everything that Node.js brings is made outside of it. */
const loader = `
import { readFileSync } from 'node:fs'
import vm from 'node:vm'
const context = vm.createContext({ process, Buffer, console, URL, TextEncoder, TextDecoder, queueMicrotask, setTimeout })
const modules = new Map()
const load = (url) => {
  if (!modules.has(url)) modules.set(url, url.startsWith('file:')
    ? new vm.SourceTextModule(readFileSync(new URL(url), 'utf8'), { context, identifier: url,
        initializeImportMeta: (meta) => { meta.url = url } })
    : builtin(url))
  return modules.get(url)
}
const builtin = (name) => {
  const found = process.getBuiltinModule(name)
  const names = [...new Set(['default', ...Object.keys(found)])]
  return new vm.SyntheticModule(names, function () {
    for (const key of names) this.setExport(key, key === 'default' ? found : found[key])
  }, { context })
}
const main = load(new URL('dist/lib/index.js', 'file://' + process.cwd() + '/').href)
await main.link((name, from) => load(name.startsWith('.') ? new URL(name, from.identifier).href : name))
await main.evaluate()
Object.assign(context, { bpf: main.namespace, path: process.argv.at(-1) })
`

describe('the package inside a vm context', () => {
  it('throws errors and returns bytes of that context', async () => {
    const script = `${loader}
      const results = vm.runInContext(\`
        const thrownBy = (call) => { try { call() } catch (error) { return error } }
        const { BpfError, BpfMap, BpfObject } = bpf
        const map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 })
        const key = new Uint8Array(4)
        map.set(key, key)
        const refused = thrownBy(() => map.set(key, key, { flags: 1 }))
        const object = BpfObject.open(path)
        object.loadSync()
        const program = object.program('mark')
        const run = program.testRunSync({ data: new Uint8Array(64) })
        ;({
          refused: [refused instanceof BpfError, refused instanceof Error, refused.code, JSON.stringify(refused)],
          misuse: thrownBy(() => program.testRunSync({ repeat: -1 })) instanceof RangeError,
          bytes: [run.data, run.context, program.instructions, map.get(key)].map((b) => b instanceof Uint8Array),
        })
      \`, context)
      console.log(JSON.stringify(results))`
    const { stdout, stderr } = await runChild(script, [objectPath('programs')], {
      node: ['--experimental-vm-modules', '--no-warnings'],
    })
    expect(stderr).toBe('')
    const results = JSON.parse(stdout)
    expect(results).toMatchObject({
      refused: [true, true, 'EEXIST', expect.stringContaining('"code":"EEXIST"')],
      misuse: true,
      bytes: [true, true, true, true],
    })
  })

  it("works in vitest's vmForks pool", async () => {
    const config = fileURLToPath(new URL('realms/vitest.config.mjs', import.meta.url))
    const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
    const child = spawnSync(process.execPath, [vitest, 'run', '--config', config], { encoding: 'utf8' })
    expect(child.status, child.stdout + child.stderr).toBe(0)
    expect(child.stdout).toMatch(/9 passed/)
  })
})

describe('two copies of the package in one process', () => {
  it("work side by side and refuse each other's objects", async () => {
    using copy = copyForEveryone()
    const other: typeof bpf = createRequire(import.meta.url)(`${copy.path}/dist/lib/index.js`)
    expect(other.BpfObject).not.toBe(bpf.BpfObject)
    const numbers: string[] = []
    for (const [name, library] of Object.entries({ ours: bpf, other })) {
      using object = library.BpfObject.open(objectPath('ring'))
      object.loadSync()
      using ring = object.ringBuffer<{ number: bigint }>('events', 'record')
      ring.on(({ number }) => numbers.push(`${name} ${number}`))
      object.program('emit').testRunSync({ data: new Uint8Array(64) })
      await until('it came', () => numbers.some((text) => text.startsWith(name)))
    }
    expect(numbers).toEqual(['ours 0', 'other 0'])
    using map = bpf.BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    expect(() => new other.RingBuffer(map)).toThrow(TypeError)
  })
})
