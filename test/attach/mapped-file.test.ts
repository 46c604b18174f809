// With a process, a probe goes into the file that this process has mapped, or an error says why not. It never goes
// into another file of that name, where it would wait forever. Each test counts the calls in the real process.
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BpfError, BpfObject, Link } from 'libbpf-node'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findMappedFile } from '../../lib/attach/mapped-file.js'
import { requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { loadOnly, shop } from './surroundings.js'

useTracefs()

const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-mapped-'))
chmodSync(folder, 0o755)
const built = join(folder, 'built')
const children: ChildProcessWithoutNullStreams[] = []
const searched = { PATH: process.env.PATH, LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH }

beforeAll(() => {
  mkdirSync(built)
  const file = (name: string, text: string): string => {
    writeFileSync(join(built, name), text)
    return join(built, name)
  }
  const source = `
#include <stdio.h>
extern int step(int);
__attribute__((noinline, noipa)) int own_step(int n) { return step(n); }
int main() {
  puts("ready");
  for (fflush(stdout); getchar() != EOF; fflush(stdout)) printf("%d\\n", own_step(1));
}
`
  const library = '__attribute__((noinline, noipa)) int step(int n) { return n + 1; }'
  const cc = (...args: string[]) => execFileSync('cc', ['-O1', ...args])
  cc(
    '-shared',
    '-fPIC',
    '-Wl,-soname,libwork.so.1',
    '-o',
    join(built, 'libwork.so.1.2'),
    file('work.c', library),
  )
  cc(
    '-o',
    join(built, 'target'),
    file('target.c', source),
    join(built, 'libwork.so.1.2'),
    '-Wl,-rpath,$ORIGIN',
  )
  // Without a loader and libraries: it can run in an empty root.
  cc('-static', '-o', join(built, 'alone'), file('alone.c', source), file('step.c', library))
  cc(
    '-static',
    '-o',
    join(built, 'shop'),
    file('shop.c', `#include <stdio.h>\n${shop.replace('for (long i', 'getchar(); for (long i')}`),
  )
})

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  }
  for (const [name, value] of Object.entries(searched)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Copies the target and its library into a folder of their own. */
function install(name: string): string {
  const to = join(folder, name)
  mkdirSync(to)
  copyFileSync(join(built, 'target'), join(to, 'target'))
  copyFileSync(join(built, 'libwork.so.1.2'), join(to, 'libwork.so.1.2'))
  symlinkSync('libwork.so.1.2', join(to, 'libwork.so.1'))
  return to
}

/** What a package manager does: a new file takes the old one's name. */
function upgrade(path: string): void {
  copyFileSync(path, `${path}.new`)
  renameSync(`${path}.new`, path)
}

async function start(
  command: string,
  ...args: string[]
): Promise<ChildProcessWithoutNullStreams & { pid: number }> {
  const child = spawn(command, args)
  children.push(child)
  await once(child.stdout, 'data')
  return child as ChildProcessWithoutNullStreams & { pid: number }
}

/** Attaches, has the process call the function once, and returns how often the probe ran. */
async function callsSeen(
  child: ChildProcessWithoutNullStreams,
  attach: (object: BpfObject) => Link,
  program = 'on_call',
): Promise<bigint> {
  using object = loadOnly('attach-trace', [program])
  using _link = attach(object)
  child.stdin.write('\n')
  await once(child.stdout, 'data')
  return (object.bss.seen as { runs: bigint }).runs
}

const uprobe = (binary: string, symbol: string, pid: number) => (object: BpfObject) =>
  object.program('on_call').attachUprobe(binary, { symbol, pid })
const uprobeMulti = (binary: string, symbol: string, pid: number) => (object: BpfObject) =>
  object.program('on_calls').attachUprobeMultiSync(binary, { symbols: [symbol], pid })

/** The error of attaching to a process. */
function refusal(binary: string, pid: number): BpfError {
  using object = loadOnly('attach-trace', ['on_call'])
  return thrownBy(() => uprobe(binary, 'step', pid)(object)) as BpfError
}

describe('a process whose files were upgraded', () => {
  it('is probed in the library that it has mapped, by name and by path', async () => {
    const at = install('upgraded-library')
    const child = await start(join(at, 'target'))
    upgrade(join(at, 'libwork.so.1.2'))
    process.env.LD_LIBRARY_PATH = at
    // The symbolic link leads to the new file, and so does the path.
    for (const binary of ['libwork.so.1.2', 'libwork.so.1', join(at, 'libwork.so.1.2')]) {
      expect(await callsSeen(child, uprobe(binary, 'step', child.pid))).toBe(1n)
    }
  })

  it('is probed in its own program', async () => {
    const at = install('upgraded-program')
    const child = await start(join(at, 'target'))
    upgrade(join(at, 'target'))
    process.env.PATH = `${at}:${process.env.PATH}`
    expect(await callsSeen(child, uprobe('target', 'own_step', child.pid))).toBe(1n)
    expect(await callsSeen(child, uprobe(join(at, 'target'), 'own_step', child.pid))).toBe(1n)
  })

  requiresKernel('6.6', 'is probed with uprobe.multi, too', async () => {
    const at = install('upgraded-multi')
    const child = await start(join(at, 'target'))
    upgrade(join(at, 'libwork.so.1.2'))
    process.env.LD_LIBRARY_PATH = at
    expect(await callsSeen(child, uprobeMulti('libwork.so.1', 'step', child.pid), 'on_calls')).toBe(1n)
  })

  it('is probed in a library that was removed', async () => {
    const at = install('removed')
    const child = await start(join(at, 'target'))
    rmSync(join(at, 'libwork.so.1.2'))
    expect(await callsSeen(child, uprobe('libwork.so.1.2', 'step', child.pid))).toBe(1n)
  })

  requiresKernel('5.15', 'has its USDT probes found in the program that it runs', async () => {
    mkdirSync(join(folder, 'usdt'))
    const path = join(folder, 'usdt/shop')
    copyFileSync(join(built, 'shop'), path)
    const child = spawn(path)
    children.push(child)
    upgrade(path)
    using object = loadOnly('attach-usdt', ['on_probe'])
    using link = object.program('on_probe').attachUsdt('shop', 'shop', 'sold', { pid: child.pid! })
    child.stdin.write('\n')
    await once(child, 'close')
    expect(object.bss.runs).toBe(3n)
    expect(link.target).toBe(`/proc/${child.pid}/exe:shop:sold`)
  })
})

describe('a process in a root of its own', () => {
  /** Runs in a chroot that has nothing but the program, at /alone. */
  const inChroot = async (name: string) => {
    const root = join(folder, name)
    mkdirSync(root)
    copyFileSync(join(built, 'alone'), join(root, 'alone'))
    return { root, child: await start('chroot', root, '/alone') }
  }

  it('is probed by the name of its program in a chroot, although PATH has another file of that name', async () => {
    const { child } = await inChroot('jail')
    process.env.PATH = `${built}:${process.env.PATH}`
    expect(await callsSeen(child, uprobe('alone', 'own_step', child.pid))).toBe(1n)
  })

  it('is probed by a path in its own root', async () => {
    const { child } = await inChroot('jail-path')
    expect(await callsSeen(child, uprobe('/alone', 'own_step', child.pid))).toBe(1n)
  })

  it('is probed in its own mount namespace, which has another file at that path', async () => {
    const at = install('namespace')
    const hidden = join(at, 'libwork.so.1.2')
    const script = `mount -t tmpfs tmpfs ${at} && cp ${built}/target ${built}/libwork.so.1.2 ${at} && ln -s libwork.so.1.2 ${at}/libwork.so.1 && exec ${at}/target`
    const child = await start('unshare', '--mount', 'sh', '-c', script)
    for (const binary of ['libwork.so.1', 'libwork.so.1.2', hidden]) {
      expect(await callsSeen(child, uprobe(binary, 'step', child.pid))).toBe(1n)
    }
  })

  it('is probed in its own file if another one has the same inode number and path', async () => {
    const at = join(folder, 'same-inode')
    mkdirSync(at)
    const mount = (path: string) => execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', path])
    mount(at)
    try {
      // The files of a new tmpfs are numbered one after the other.
      const fill = `cp ${built}/target ${built}/libwork.so.1.2 ${at} && ln -s libwork.so.1.2 ${at}/libwork.so.1`
      execFileSync('sh', ['-c', fill])
      const script = `mount -t tmpfs tmpfs ${at} && ${fill} && exec ${at}/target`
      const child = await start('unshare', '--mount', 'sh', '-c', script)
      const library = join(at, 'libwork.so.1.2')
      expect(statSync(`/proc/${child.pid}/root${library}`).ino).toBe(statSync(library).ino)
      for (const binary of ['libwork.so.1', library]) {
        expect(await callsSeen(child, uprobe(binary, 'step', child.pid))).toBe(1n)
      }
    } finally {
      execFileSync('umount', ['-l', at])
    }
  })

  it('is probed by the path of a symbolic link in its own root', async () => {
    const { root, child } = await inChroot('jail-link')
    symlinkSync('alone', join(root, 'link'))
    expect(await callsSeen(child, uprobe('/link', 'own_step', child.pid))).toBe(1n)
  })

  it('is probed in a chroot in a mount namespace', async () => {
    const root = join(folder, 'both')
    mkdirSync(root)
    const script = `mount -t tmpfs tmpfs ${root} && cp ${built}/alone ${root} && exec chroot ${root} /alone`
    const child = await start('unshare', '--mount', 'sh', '-c', script)
    for (const binary of ['alone', '/alone']) {
      expect(await callsSeen(child, uprobe(binary, 'own_step', child.pid))).toBe(1n)
    }
  })

  it('is probed in the layers of a container', async () => {
    const root = join(folder, 'layers')
    mkdirSync(root)
    const script = `mount -t tmpfs tmpfs ${root} && cd ${root} && mkdir upper work merged && mount -t overlay overlay -o lowerdir=${built},upperdir=upper,workdir=work merged && exec chroot merged /alone`
    const child = await start('unshare', '--mount', 'sh', '-c', script)
    process.env.PATH = `${built}:${process.env.PATH}`
    for (const binary of ['alone', '/alone']) {
      expect(await callsSeen(child, uprobe(binary, 'own_step', child.pid))).toBe(1n)
    }
  })

  it("is not probed in this process's file of the same path", async () => {
    const { root, child } = await inChroot('jail-host')
    const error = refusal(join(built, 'target'), child.pid)
    expect(error).toMatchObject({ code: 'ENOENT' })
    expect(error.message).toContain('it has not mapped that file, and its own root has no file at that path')
    mkdirSync(join(root, built), { recursive: true })
    copyFileSync(join(built, 'target'), join(root, built, 'target'))
    expect(refusal(join(built, 'target'), child.pid).message).toContain(
      `its own root has another file at that path; to use that one, pass /proc/${child.pid}/root${built}/target`,
    )
  })
})

describe('a file that a process has not mapped', () => {
  it('is an error if only its name is given', async () => {
    const at = install('absent')
    const child = await start(join(at, 'target'))
    process.env.PATH = `${built}:${process.env.PATH}`
    expect(refusal('alone', child.pid)).toMatchObject({
      code: 'ENOENT',
      message: `attach program 'on_call' to process ${child.pid}, 'alone': it runs no code from a file called 'alone'; if it loads the file later, give the path (ENOENT)`,
    })
  })

  it('can be attached by its path, for when the process loads it', async () => {
    const at = install('later')
    const child = await start(join(at, 'target'))
    expect(await callsSeen(child, uprobe(join(built, 'alone'), 'own_step', child.pid))).toBe(0n)
  })

  it('is an error if the process does not exist', () => {
    expect(refusal('libwork.so.1', 2 ** 22 - 1)).toMatchObject({ code: 'ESRCH' })
    expect(refusal(join(built, 'alone'), 2 ** 22 - 1).message).toMatch(/: no such process \(ESRCH\)$/)
  })
})

describe('without capabilities', () => {
  const nobody = 65534
  /** What is found by a user without capabilities, or the error. */
  const found = (binary: string, pid: number): string => {
    process.seteuid!(nobody)
    try {
      return findMappedFile(binary, pid, (why, code) => {
        throw new Error(`${code}: ${why}`)
      })
    } catch (error) {
      return (error as Error).message
    } finally {
      process.seteuid!(0)
    }
  }

  it('the files of a process of the same user are found, except for a library that was replaced', async () => {
    const at = install('own-user')
    const child = await start('setpriv', `--reuid=${nobody}`, '--clear-groups', join(at, 'target'))
    expect(found('libwork.so.1', child.pid)).toBe(`/proc/${child.pid}/root${at}/libwork.so.1.2`)
    upgrade(join(at, 'libwork.so.1.2'))
    upgrade(join(at, 'target'))
    expect(found('target', child.pid)).toBe(`/proc/${child.pid}/exe`)
    expect(found('libwork.so.1', child.pid)).toBe(
      `EACCES: it has mapped ${at}/libwork.so.1.2 (deleted), which can only be opened with CAP_CHECKPOINT_RESTORE (Linux 5.9) or CAP_SYS_ADMIN`,
    )
  })

  it('the files of a process of another user are not searched on PATH instead', () => {
    expect(found('node', process.ppid)).toBe(
      'EACCES: its memory map cannot be read, which requires CAP_SYS_PTRACE or its user',
    )
  })
})
