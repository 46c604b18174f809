// An object that loads with libbpf in C loads with us, and one that fails, fails in the same way.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BpfError, BpfObject } from 'libbpf-node'
import { beforeAll, describe, expect, it } from 'vitest'
import { compile } from '../helpers/compile.js'
import { objectPath } from '../helpers/objects.js'
import { slowness } from '../helpers/slowness.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

function objectsIn(folder: string): string[] {
  return (
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      // It pins its map in /sys/fs/bpf, where it would stay.
      .filter((name) => name.endsWith('.bpf.o') && name !== 'pinned.bpf.o')
      .map((name) => join(folder, name))
      .sort()
  )
}
/** The objects of other people's tools instead of our own, which the other tests load. scripts/kernels fetches some. */
const tools = process.env.LIBBPF_NODE_OBJECTS
const objects =
  tools === undefined
    ? [...objectsIn(`${root}dist/test/bpf`), ...objectsIn(`${root}dist/examples`)]
    : objectsIn(tools)

/** The outcome for an object: `loaded`, or the failing step (`open` or `load`) with the errno. */
async function outcomeOf(path: string): Promise<{ outcome: string; error?: BpfError }> {
  let object: BpfObject | undefined
  try {
    object = BpfObject.open(path)
    await object.load()
    return { outcome: 'loaded' }
  } catch (error) {
    if (!(error instanceof BpfError)) throw error
    return { outcome: `${object === undefined ? 'open' : 'load'} ${error.errno}`, error }
  } finally {
    object?.close()
  }
}

describe('loading each object file', () => {
  // One process loads them all.
  let inC: Map<string, string>

  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    try {
      const loader = join(folder, 'load')
      const libraries = ['libbpf.a', 'libelf.a', 'libzlib.a'].map((name) => `${root}build/deps/${name}`)
      const include = [`-I${root}deps/libbpf`, `-I${root}deps/libbpf/include/uapi`]
      writeFileSync(loader, compile('cc', include, readFileSync(`${root}test/c/load.c`, 'utf8'), libraries))
      chmodSync(loader, 0o755)
      const paths = [...objects, objectPath('exec'), objectPath('bad-core')]
      const outcomes = execFileSync(loader, paths, { encoding: 'utf8' }).trim().split('\n')
      inC = new Map(paths.map((path, i) => [path, outcomes[i]!]))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }, 60_000 * slowness)

  it('finds object files', () => {
    expect(objects.length).toBeGreaterThan(20)
    expect(inC.get(objectPath('exec'))).toBe('loaded')
    expect(inC.get(objectPath('bad-core'))).toMatch(/^load \d/)
  })

  it.each(objects.map((path) => [relative(root, path), path] as const))(
    '%s: has the same outcome as in C',
    async (_, path) => {
      const { outcome, error } = await outcomeOf(path)
      expect(outcome).toBe(inC.get(path))
      if (error !== undefined) {
        expect(error.log).toMatch(/libbpf: /)
        expect(error.message.length).toBeGreaterThan(40)
      }
    },
  )
})
