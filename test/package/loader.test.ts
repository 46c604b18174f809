// Errors about an addon that cannot be loaded, from a copy of the library with wrong addons.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ordinaryAddon, runChild } from '../helpers/child.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const addon = readFileSync(join(root, 'build/Release/libbpf_node.node'))
const machine = `linux-${process.arch}`
let folder = ''
let prebuilds = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'libbpf-node-loader-'))
  prebuilds = join(folder, 'prebuilds', machine)
  for (const name of ['package.json', 'dist/lib', 'node_modules/node-gyp-build']) {
    cpSync(join(root, name), join(folder, name), { recursive: true })
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(join(folder, 'prebuilds'), { recursive: true, force: true })
  rmSync(join(folder, 'build'), { recursive: true, force: true })
})

function put(bytes: Uint8Array, name = 'libbpf-node.glibc.node', where = prebuilds): void {
  mkdirSync(where, { recursive: true })
  writeFileSync(join(where, name), bytes)
}

/** Imports the library and returns `loaded`, or the message of the error. */
async function loading(env: Record<string, string> = {}, under: string[] = []): Promise<string> {
  const program = `await import(process.argv.at(-1)).then(() => console.log('loaded'), (error) => console.log(error.message))`
  const { stdout, signal } = await runChild(program, [join(folder, 'dist/lib/index.js')], {
    env: { ...ordinaryAddon, ...env },
    under,
  })
  expect(signal).toBeNull()
  expect(stdout).toMatch(
    new RegExp(`^(loaded\n$|libbpf-node cannot load its native addon for ${machine}, .*, Node.js)`),
  )
  return stdout
}

describe('the addon', () => {
  it('is loaded, and a damaged one in build/Release is reported', async () => {
    put(addon)
    expect(await loading()).toContain('loaded')
    put(addon.subarray(0, 1000), 'libbpf_node.node', join(folder, 'build/Release'))
    expect(await loading()).toContain(
      'build/Release/libbpf_node.node is damaged: it has 1000 bytes of at least',
    )
    expect(await loading({ PREBUILDS_ONLY: '1' })).toContain('loaded')
  })

  it('reports a file system that is mounted with noexec', async () => {
    put(addon)
    const mounted = `mount --bind "$0" "$0" && mount -o remount,bind,noexec "$0" && exec "$@"`
    expect(await loading({}, ['unshare', '--mount', 'sh', '-c', mounted, folder])).toContain(
      `${folder} is mounted with noexec, which forbids native addons: install the package elsewhere`,
    )
  })

  it.each([
    ['nothing', new Uint8Array(0), 'is damaged: it is not an ELF file'],
    [
      'text',
      Buffer.from('this is no addon, but a text that is long enough to be the header of one...'),
      'is not an ELF file',
    ],
    ['half of one', addon.subarray(0, addon.length >> 1), /is damaged: it has \d+ bytes of at least \d+/],
    [
      'one for another machine',
      other(addon),
      `is built for ${process.arch === 'x64' ? 'arm64' : 'x64'}, and this machine is ${process.arch}`,
    ],
    [
      'an addon for no machine',
      other(addon, 0),
      `is built for another machine, and this machine is ${process.arch}`,
    ],
  ])('that is %s is called that', async (_, bytes, says) => {
    put(bytes)
    const message = await loading()
    expect(message).toMatch(says)
    expect(message).toContain(join(prebuilds, 'libbpf-node.glibc.node'))
    expect(message).toContain(`'npm run build' in ${folder} builds one`)
  })

  it('reports where it was looked for if it is missing', async () => {
    const message = await loading()
    expect(message).toContain(
      `no file for it in ${prebuilds} (which does not exist) or ${folder}/build/Release`,
    )
    put(other(addon), 'libbpf-node.musl.node')
    expect(await loading()).toContain(`no file for it in ${prebuilds} (libbpf-node.musl.node)`)
    put(addon)
    expect(await loading({ LIBBPF_NODE_PREBUILD: '/nothing' })).toContain(
      `no file for it in /nothing/prebuilds/${machine} (which does not exist) or /nothing/build/Release; the environment has LIBBPF_NODE_PREBUILD=/nothing;`,
    )
  })
})

describe('an import that Node.js restricts', () => {
  const [major = 0] = process.versions.node.split('.').map(Number)
  const permission = major >= 23 ? '--permission' : '--experimental-permission'
  const load = (...node: string[]) =>
    runChild(
      `await import(process.argv.at(-1)).then(() => console.log('loaded'), (error) => console.log(error.message))`,
      [join(folder, 'dist/lib/index.js')],
      { env: ordinaryAddon, node: ['--no-warnings', ...node] },
    )

  it('reads nothing outside of the package', async () => {
    put(addon)
    const { stdout } = await load(permission, '--allow-addons', `--allow-fs-read=${folder}/*`)
    expect(stdout).toBe('loaded\n')
  })

  it('names the option that allows addons', async () => {
    put(addon)
    const restricted = await load(permission, '--allow-fs-read=*')
    expect(restricted.stdout).toMatch(/native addons are disabled; run node with --allow-addons/)
    expect((await load('--no-addons')).stdout).toMatch(/without --no-addons/)
  })
})

describe('code that was copied without its package.json', () => {
  it('reports the missing package.json instead of searching forever', async () => {
    const bare = mkdtempSync(join(tmpdir(), 'libbpf-node-bare-'))
    try {
      cpSync(join(root, 'dist/lib'), join(bare, 'lib'), { recursive: true })
      const script = `await import(process.argv.at(-1)).catch((error) => console.log(error.message))`
      const { stdout } = await runChild(script, [join(bare, 'lib/index.js')], { seconds: 5, cwd: bare })
      expect(stdout).toContain(`libbpf-node cannot find its package.json above ${bare}/lib`)
    } finally {
      rmSync(bare, { recursive: true, force: true })
    }
  })
})

/** The same file for another machine. */
function other(bytes: Uint8Array, number = process.arch === 'x64' ? 183 : 62): Uint8Array {
  const copy = Uint8Array.from(bytes)
  new DataView(copy.buffer).setUint16(18, number, true)
  return copy
}

describe('importing the library', () => {
  it("does not load Node's streams and sockets, which take longer than the library itself", async () => {
    const { stdout } = await runChild(`
      import { writeSync } from 'node:fs'
      const before = new Set(process.moduleLoadList)
      await import('libbpf-node')
      const loaded = process.moduleLoadList.filter((name) => !before.has(name))
      writeSync(1, JSON.stringify(loaded))
    `)
    const loaded = JSON.parse(stdout)
    // Which modules there are already depends on the version.
    expect(loaded).not.toEqual([])
    expect(loaded.filter((name: string) => /stream|net$|http|worker|child_process/.test(name))).toEqual([])
  })
})
