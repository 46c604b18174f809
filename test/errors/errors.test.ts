import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfError, BpfMap, BpfObject, ids, VerifierError } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { nearest } from '../../lib/errors/nearest.js'
import { asNobody, type ChildOptions, copyForEveryone, runChild } from '../helpers/child.js'
import { compile } from '../helpers/compile.js'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'

/**
 * Runs the body of an async function in a child process, with `obj` opened from an object file, and returns its error.
 */
async function failsInChild(
  name: string,
  body: string,
  options: ChildOptions = {},
): Promise<{ message: string; code: string; name: string }> {
  const { stdout, stderr } = await runChild(
    `import * as bpf from 'libbpf-node'
     const obj = bpf.BpfObject.open(process.argv[1])
     try { await (async () => { ${body} })(); console.log('null') }
     catch (e) { console.log(JSON.stringify({ message: e.message, code: e.code, name: e.name })) }`,
    [objectPath(name)],
    options,
  )
  if (stdout.trim() === 'null' || stdout === '') throw new Error(`it did not fail: ${stdout}${stderr}`)
  return JSON.parse(stdout)
}

/** Without these capabilities; CAP_SYS_ADMIN would stand for them. */
const without = (...names: string[]): ChildOptions => {
  const list = ['sys_admin', ...names].map((name) => `-${name}`).join(',')
  return { under: ['setpriv', `--bounding-set=${list}`, `--inh-caps=${list}`] }
}

describe('an EPERM although the process has all capabilities', () => {
  it('names the seccomp filter that refuses bpf()', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    const launcher = join(folder, 'no-bpf')
    const source = readFileSync(new URL('../c/no-bpf.c', import.meta.url), 'utf8')
    writeFileSync(launcher, compile('cc', ['-O1'], source), { mode: 0o755 })
    try {
      expect(await failsInChild('exec', 'await obj.load()', { under: [launcher] })).toMatchObject({
        code: 'EPERM',
        message: expect.stringMatching(/not permitted although .* it runs under a seccomp filter/),
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  requiresFeature(
    'hardening',
    'blames a kernel that refuses fentry programs, not missing capabilities',
    () => {
      const error = thrownBy(() => load('fentry'))
      expect(error).toMatchObject({ code: 'EPERM', message: expect.stringMatching(/this kernel forbids it/) })
      expect(error).not.toBeInstanceOf(VerifierError)
    },
  )
})

describe('BpfObject.load', () => {
  requiresKernel('5.11', 'is not stopped by RLIMIT_MEMLOCK', async () => {
    const { stdout, stderr } = await runChild(
      `import { BpfObject } from 'libbpf-node'
       const obj = BpfObject.open(process.argv[1])
       await obj.load()
       console.log(obj.loaded)
       obj.close()`,
      [objectPath('exec')],
      {
        under: [
          'prlimit',
          '--memlock=0:0',
          'setpriv',
          '--bounding-set=-sys_resource',
          '--inh-caps=-sys_resource',
        ],
      },
    )
    expect({ stdout, stderr }).toEqual({ stdout: 'true\n', stderr: '' })
  })
})

describe('an error without privileges', () => {
  it('names all missing capabilities', async () => {
    const none = { under: ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] }
    expect(await failsInChild('exec', 'await obj.load()', none)).toMatchObject({
      name: 'BpfError',
      code: 'EPERM',
      message:
        "load object 'exec': not permitted, the process lacks CAP_BPF and CAP_PERFMON (run it as root or give it these capabilities) (EPERM)",
    })
  })

  requiresKernel('6.16', 'says that a single uprobe requires CAP_SYS_ADMIN', async () => {
    const body = `obj.program('on_call').autoload = true
      await obj.load()
      obj.program('on_call').attachUprobe('libc.so.6', { symbol: 'getppid' })`
    expect(await failsInChild('attach-trace', body, without())).toMatchObject({
      code: 'EACCES',
      message: expect.stringMatching(/the process lacks CAP_SYS_ADMIN, .* attachUprobeMulti/),
    })
  })

  describe('with tracefs mounted for root', () => {
    useTracefs()
    it('says who may look up tracepoints', async () => {
      using copy = copyForEveryone('dist/test/bpf/bad-function.bpf.o')
      const script = `import { BpfObject } from 'libbpf-node'
        const obj = BpfObject.open('dist/test/bpf/bad-function.bpf.o')
        console.log(obj.program('on_exec').refusal().message)`
      const as = (...caps: string[]) => ({
        cwd: copy.path,
        under: asNobody(...caps),
      })
      const { stdout } = await runChild(script, [], as())
      expect(stdout).toMatch(/tracefs is readable by root only; run it as root or with CAP_DAC_READ_SEARCH/)
      const { stdout: may } = await runChild(script, [], as('CAP_DAC_READ_SEARCH'))
      expect(may).toMatch(/no such tracepoint .*; did you mean 'sched_process_exec'/)
    })
  })

  it('names CAP_BPF to a user other than root', async () => {
    using copy = copyForEveryone()
    const nobody = {
      cwd: copy.path,
      under: asNobody(),
    }
    const script = `import * as bpf from 'libbpf-node'
      try { bpf.BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 }).close(); console.log('made') }
      catch (e) { console.log(e.message) }`
    const { stdout } = await runChild(script, [], nobody)
    // The administrator can allow it to everyone.
    expect(stdout).toMatch(/the process lacks CAP_BPF \(run it as root|made/)
  })

  it.each([
    ['bpf', 'exec', 'CAP_BPF'],
    ['perfmon', 'exec', 'CAP_PERFMON'],
    ['net_admin', 'slow', 'CAP_NET_ADMIN'],
  ])('an error names the one that is missing: cap_%s', async (capability, name, missing) => {
    const { code, message } = await failsInChild(name, 'await obj.load()', without(capability))
    expect(code).toBe('EPERM')
    expect(message).toContain(`not permitted, the process lacks ${missing} (run it as root`)
  })

  it('says which rejection CAP_PERFMON would change', async () => {
    const failure = await failsInChild('leaks-address', 'await obj.load()', without('perfmon'))
    expect(failure).toMatchObject({
      name: 'VerifierError',
      message: expect.stringMatching(
        /leaks addr .*\(the verifier would allow it with CAP_PERFMON, which this process lacks\)/,
      ),
    })
    load('leaks-address').close()
  })

  it('names CAP_SYS_ADMIN when the kernel is listed', async () => {
    const { message } = await failsInChild('exec', "[...bpf.ids('program')]", without())
    expect(message).toContain('the process lacks CAP_SYS_ADMIN')
  })
})

describe('an error where a file system is not mounted', () => {
  // In a mount namespace of its own, so that nobody else sees the unmounts.
  const unmounted = (path: string): ChildOptions => ({
    under: [
      'unshare',
      '-m',
      'sh',
      '-c',
      `umount -l ${path} 2>/dev/null; umount -l /sys/kernel/debug 2>/dev/null; exec "$@"`,
      '-',
    ],
  })

  it('says how tracefs is mounted, when a tracepoint is attached to', async () => {
    const { message } = await failsInChild(
      'bad-function',
      "obj.program('on_exec').autoload = true; await obj.load(); obj.program('on_exec').attach()",
      unmounted('/sys/kernel/tracing'),
    )
    expect(message).toMatch(
      /tracefs is not mounted; 'mount -t tracefs tracefs \/sys\/kernel\/tracing' mounts it/,
    )
  })

  it('says how bpffs is mounted, when a map is pinned', async () => {
    const { message } = await failsInChild(
      'maps',
      "await obj.load(); obj.map('points').pin('/sys/fs/bpf/libbpf-node-points')",
      unmounted('/sys/fs/bpf'),
    )
    expect(message).toMatch(
      /\/sys\/fs\/bpf\/libbpf-node-points is not on a BPF file system; 'mount -t bpf bpf \/sys\/fs\/bpf' mounts one/,
    )
  })
})

describe('a BpfError', () => {
  it('says that an object is closed, for everything that belongs to it', () => {
    const object = load('maps')
    const map = object.map('points')
    const [program] = object.programs.values()
    object.close()
    const uses = [
      () => object.attach(),
      () => object.loadSync(),
      () => object.types,
      () => object.pin('/x'),
      () => map.maxEntries,
      () => map.get(new Uint8Array(4)),
      () => [...map.keys()],
      () => map.fd,
      () => program?.attach(),
      () => program?.fd,
    ]
    for (const use of uses) {
      const error = thrownBy(use) as BpfError
      expect(error, String(use)).toBeInstanceOf(BpfError)
      expect(error.code, String(use)).toBe('ERR_BPF_CLOSED')
      expect(error.message, String(use)).toMatch(/it is closed$/)
    }
  })

  it('says when a call is possible that came too early or too late', async () => {
    const object = open('maps')
    expect(() => object.attach()).toThrow(/it is not loaded yet/)
    expect(() => object.map('points').get(1 as never)).toThrow(/load the object first/)
    const loading = object.load()
    expect(() => object.attach()).toThrow(/it is loading; wait for load\(\) to finish/)
    expect(() => object.map('points').maxEntries).toThrow(/its object is loading on another thread/)
    await expect(object.load()).rejects.toMatchObject({ code: 'ERR_BPF_BUSY' })
    await loading
    await expect(object.load()).rejects.toThrow(/it is already loaded/)
    object.close()
  })

  it('says that an object that failed to load must be opened again', async () => {
    const object = open('bad-pointer')
    await expect(object.load()).rejects.toBeInstanceOf(VerifierError)
    await expect(object.load()).rejects.toThrow(/it failed to load; open it again/)
    expect(() => object.attach()).toThrow(/it failed to load; open it again/)
    object.close()
  })

  it('has a message of one line, whatever libbpf printed', async () => {
    const failures: unknown[] = []
    for (const name of [
      'bad-core',
      'bad-core-type',
      'bad-externs',
      'bad-huge-map',
      'bad-late',
      'bad-pointer',
      'bad-section',
    ]) {
      const object = open(name)
      failures.push(await object.load().catch((error) => error))
      object.close()
    }
    failures.push(
      thrownBy(() => BpfObject.open('/nonexistent')),
      thrownBy(() => BpfMap.fromId(2 ** 31)),
    )
    for (const error of failures) {
      expect(error).toBeInstanceOf(BpfError)
      expect((error as Error).message).toMatch(/^(load|open) [^\n]+$/)
      expect((error as Error).message.length).toBeLessThan(400)
    }
  })

  it('proposes functions that the compiler made from the wanted one before similar names', () => {
    const names = ['vfs_reed', 'vfs_read.isra.0', 'vfs_read.constprop.0.cold', 'vfs_readv', 'vfs_write']
    expect(nearest('vfs_read', names)).toEqual(['vfs_read.isra.0', 'vfs_read.constprop.0.cold', 'vfs_reed'])
  })

  it('proposes the nearest name for one that does not exist', () => {
    const object = open('maps')
    expect(() => object.map('pionts')).toThrow("object 'maps' has no map 'pionts'; did you mean 'points'?")
    expect(() => object.program('nothing_like_it')).toThrow(
      /^object 'maps' has no program 'nothing_like_it'$/,
    )
    expect(() => object.codec('pont')).toThrow(/has no type 'pont'; did you mean 'point'/)
    object.close()
    expect(() => [...ids('programs' as never)]).toThrow(/kind 'programs' does not exist/)
  })
})
