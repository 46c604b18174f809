import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libbpfNode } from '../codegen/helper.js'
import { runChild } from '../helpers/child.js'
import { compile } from '../helpers/compile.js'

interface Finding {
  check: string
  state: 'ok' | 'note' | 'problem'
  says: string
}

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What doctor finds out about an object that is compiled from a piece of C, and its exit code. */
async function examine(source: string): Promise<{ status: number; findings: Finding[]; verdict: string }> {
  const path = join(folder, 'object.bpf.o')
  const prelude =
    '#define SEC(name) __attribute__((section(name), used))\nchar LICENSE[] SEC("license") = "GPL";\n'
  writeFileSync(path, compile('clang', ['-g', '-O2', '-target', 'bpf', '-c'], prelude + source))
  const { status, stdout } = await libbpfNode(['doctor', '--json', path])
  const { stdout: text } = await libbpfNode(['doctor', path])
  return { status, findings: JSON.parse(stdout).object.findings, verdict: text.trim().split('\n').at(-1)! }
}

const problems = (findings: Finding[]): Finding[] => findings.filter(({ state }) => state === 'problem')
const probe = (section: string) => `SEC("${section}") int probe(void* ctx) { return 0; }`

describe('doctor with an object', () => {
  it('does not report a helper that the verifier removes, because a constant rules the call out', async () => {
    const { status, findings } = await examine(`
      const volatile int has_helper = 0;
      static long (*newer)(void) = (void*)9999;
      SEC("socket") int guarded(void* ctx) { return has_helper ? newer() : 0; }`)
    expect(problems(findings)).toEqual([])
    expect(status).toBe(0)
  })

  it('reports a helper that the program really calls', async () => {
    const { status, findings } = await examine(`
      static long (*newer)(void) = (void*)9999;
      SEC("socket") int calls(void* ctx) { return newer(); }`)
    expect(problems(findings)).toContainEqual(
      expect.objectContaining({ check: 'program calls', says: expect.stringContaining('func#9999') }),
    )
    expect(status).toBe(1)
  })

  it.each([
    ['uprobe/libc.so.6:getppid'],
    ['uprobe/libc.so.6:getppid+0'],
    ['uprobe'],
    ['uprobe.multi/libc.so.6:getp*d'],
  ])('says nothing against SEC("%s"), which can be attached', async (section) => {
    const { findings } = await examine(probe(section))
    expect(problems(findings).filter(({ check }) => check === 'program probe')).toEqual([])
  })

  it.each([
    ['uprobe/libc.so.6:getpidd', /libc\.so\.6 has no function 'getpidd'; did you mean 'getpid'/],
    ['uretprobe//no/such/file:main', /\/no\/such\/file does not exist or cannot be read/],
    ['uprobe/no-such-program:main', /no program or library of that name is on PATH/],
    ['uprobe.multi/libc.so.6:no_such_*', /libc\.so\.6 has no function that matches 'no_such_\*'/],
    ['usdt/libc.so.6:libc:no_such', /libc\.so\.6 has no USDT probe 'libc:no_such'/],
  ])('says why SEC("%s") cannot be attached although it loads', async (section, says) => {
    const { status, findings, verdict } = await examine(probe(section))
    expect(problems(findings)).toContainEqual(
      expect.objectContaining({ check: 'program probe', says: expect.stringMatching(says) }),
    )
    expect({ status, verdict }).toEqual({
      status: 1,
      verdict: 'The object cannot be loaded and attached here as it is.',
    })
  })
})

describe('doctor without a BPF file system at /sys/fs/bpf', () => {
  it('says where else one is mounted, and what uses the usual place', async () => {
    const mounts = 'umount -l /sys/fs/bpf 2>/dev/null; mount -t bpf bpf "$0"; exec "$@"'
    const { stdout } = await runChild(
      `import { features } from 'libbpf-node'
       import { spawnSync } from 'node:child_process'
       const { stdout } = spawnSync(process.execPath, ['dist/lib/cli/main.js', 'doctor', '--json'], { encoding: 'utf8' })
       const finding = JSON.parse(stdout).checks.find(({ check }) => check === 'bpffs')
       console.log(JSON.stringify({ mount: features.machine().mounts.bpf, finding }))`,
      [],
      { under: ['unshare', '-m', 'sh', '-c', mounts, folder] },
    )
    const { mount, finding } = JSON.parse(stdout)
    // Other tests can have mounted one, too.
    expect(mount).not.toBe('/sys/fs/bpf')
    expect(finding).toEqual({
      check: 'bpffs',
      state: 'note',
      says: `mounted at ${mount}, but not at /sys/fs/bpf, where maps with LIBBPF_PIN_BY_NAME are pinned`,
      fix: `mount -t bpf bpf /sys/fs/bpf, or give the option pinRootPath: '${mount}'`,
    })
  })
})
