import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { getPriority } from 'node:os'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { shop, useProgram } from '../../attach/surroundings.js'
import { requiresFeature, requiresKernel } from '../../helpers/kernel.js'
import { useTracefs } from '../../helpers/privileged.js'
import { until } from '../../helpers/until.js'
import { dataOf, load } from '../load.js'

useTracefs()

const program = useProgram(shop)

describe('uprobe and uretprobe', () => {
  it('have the arguments and the result of a function', () => {
    using object = load(`
      export let pid = data<u32>(0)
      export let calls = data<u64>(0)
      export let result = data<s32>(-1)
      export const enter = uprobe('${process.execPath}:uv_os_getpriority', (who: u32, priority) => {
        if (priority === 0) return 0
        pid = who
        calls += 1
        return 0
      })
      export const leave = uretprobe('${process.execPath}:uv_os_getpriority', (value: s32) => {
        result = value
        return 0
      })`)
    object.attach()
    getPriority(process.pid)
    expect(object.data).toMatchObject({ pid: process.pid, calls: 1n, result: 0 })
  })

  requiresKernel('6.6', 'attach to all functions that match', () => {
    using object = load(`
      export let calls = data<u64>(0)
      export let results = data<u64>(0)
      export const enter = uprobeMulti('${process.execPath}:uv_os_getprio*', () => { calls += 1; return 0 })
      export const leave = uretprobeMulti('${process.execPath}:uv_os_getprio*', (value: s32) => {
        if (value === 0) results += 1
        return 0
      })`)
    object.attach()
    getPriority(process.pid)
    expect(object.data).toMatchObject({ calls: 1n, results: 1n })
  })

  requiresKernel('6.0', 'may sleep, to read memory of the process', () => {
    using object = load(`
      export let before = data<u32>(7)
      export const enter = uprobeSleepable('${process.execPath}:uv_os_getpriority', (who: u32, priority) => {
        before = bpf.copyFromUser<u32>(priority) + 1
        return 0
      })`)
    object.attach()
    getPriority(process.pid)
    expect((object.data as { before: number }).before).not.toBe(7)
  })

  requiresKernel('6.13', 'are one program for the call and the return', () => {
    using object = load(`
      export let begun = data<u64>(0)
      export let ended = data<u64>(0)
      export let pid = data<u32>(0)
      export const both = uprobeSession('${process.execPath}:uv_os_getprio*', (who: u32) => {
        if (kfunc.bpf_session_is_return()) {
          ended += 1
          return 0
        }
        pid = who
        begun += 1
        return begun > 1 ? 1 : 0
      })`)
    object.attach()
    getPriority(process.pid)
    expect(object.data).toMatchObject({ begun: 1n, ended: 1n, pid: process.pid })
    // A program that returns 1 at the call is not called at the return.
    getPriority(process.pid)
    expect(object.data).toMatchObject({ begun: 2n, ended: 1n })
  })

  requiresKernel('6.13', 'are one program that may sleep, and keeps a number for the return', () => {
    using object = load(`
      export let kept = data<u64>(0)
      export let read = data<u32>(7)
      export const both = uprobeSessionSleepable('${process.execPath}:uv_os_getprio*', (who: u32, priority) => {
        const cookie = kfunc.bpf_session_cookie()
        if (!cookie) return 0
        if (kfunc.bpf_session_is_return()) {
          kept = cookie.value
          return 0
        }
        cookie.value = who
        read = bpf.copyFromUser<u32>(priority) + 1
        return 0
      })`)
    object.attach()
    getPriority(process.pid)
    expect(object.data).toMatchObject({ kept: BigInt(process.pid), read: expect.any(Number) })
    expect((object.data as { read: number }).read).not.toBe(7)
  })

  it('are attached by user space if they name no function', () => {
    using object = load(`
      export let calls = data<u64>(0)
      export const enter = uprobe((who: u32) => { calls += 1; return 0 })`)
    using _link = object.program('enter').attachUprobe(process.execPath, { symbol: 'uv_os_getpriority' })
    getPriority(process.pid)
    expect(dataOf(object).calls).toBe(1n)
  })
})

describe('usdt', () => {
  requiresKernel('5.15', 'has the arguments of a probe', () => {
    using object = load(`
      interface Sold { number: s64; text: char<16> }
      export const sold = ringbuf<Sold>(4096)
      export const onSold = usdt((number: s64, text) => {
        sold.emit({ number, text: bpf.probeReadUserStr(text) })
        return 0
      })`)
    using _link = object.program('onSold').attachUsdt(program(), 'shop', 'sold')
    using ring = object.ringBuffer<{ number: bigint; text: string }>('sold', 'Sold')
    const seen: unknown[] = []
    ring.on((event) => void seen.push(event))
    execFileSync(program())
    ring.consume()
    expect(seen).toEqual([
      { number: -40n, text: 'apples' },
      { number: -41n, text: 'apples' },
      { number: -42n, text: 'apples' },
    ])
  })

  requiresKernel('6.0', 'may sleep, to read memory of the process', () => {
    using object = load(`
      interface Sold { number: s64; first: u8 }
      export const sold = ringbuf<Sold>(4096)
      export const onSold = usdtSleepable((number: s64, text) => {
        sold.emit({ number, first: bpf.copyFromUser<u8>(text) })
        return 0
      })`)
    using _link = object.program('onSold').attachUsdt(program(), 'shop', 'sold')
    using ring = object.ringBuffer<{ number: bigint; first: number }>('sold', 'Sold')
    const seen: unknown[] = []
    ring.on((event) => void seen.push(event))
    execFileSync(program())
    ring.consume()
    expect(seen[0]).toEqual({ number: -40n, first: 97 })
    expect(seen).toHaveLength(3)
  })

  requiresKernel('5.15', 'is attached to the probe that it names', () => {
    using object = load(`
      export let runs = data<u64>(0)
      export const onSold = usdt('${program()}:shop:closed', () => { runs += 1; return 0 })`)
    object.attach()
    execFileSync(program())
    expect(dataOf(object).runs).toBe(1n)
  })
})

describe('perfEvent', () => {
  it('sees the registers and the period', async () => {
    using object = load(`
      export let period = data<u64>(0)
      export let stack = data<u64>(0)
      export const tick = perfEvent((ctx) => {
        period = ctx.sample_period
        stack = ctx.regs.sp
        return 0
      })`)
    using _link = object
      .program('tick')
      .attachPerfEvent({ event: 'cpu-clock', period: 1_000_000, pid: process.pid })
    await until('it has run', () => {
      const end = performance.now() + 20
      while (performance.now() < end);
      return dataOf(object).period! > 0n
    })
    expect(object.data).toMatchObject({ period: 1_000_000n })
    expect(dataOf(object).stack).not.toBe(0n)
  })
})

describe('iter', () => {
  it('writes structs for each thread', async () => {
    using object = load(`
      interface Row { pid: u32; comm: char<16> }
      export const rows = iter('task', (ctx) => {
        const task = ctx.task
        if (!task) return 0
        const row: Row = { pid: task.tgid, comm: task.comm }
        ctx.write(row)
        return 0
      })`)
    using link = object.program('rows').attachIter()
    const chunks: Uint8Array[] = []
    for await (const chunk of link.bytes()) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    const pids = Array.from({ length: bytes.length / 20 }, (_, i) => bytes.readUInt32LE(i * 20))
    expect(pids).toContain(process.pid)
  })

  it('writes lines of text', async () => {
    using object = load(`
      export const lines = iter('task', (ctx) => {
        const task = ctx.task
        if (!task) return 0
        ctx.print(\`\${task.pid} \${task.tgid} \${task.comm} 100%\`)
        return 0
      })`)
    using link = object.program('lines').attachIter()
    const text = await link.text()
    expect(text).toMatch(new RegExp(`^${process.pid} ${process.pid} .+ 100%$`, 'm'))
  })

  requiresFeature('mapElements', 'goes over the elements of a map, and changes their values', async () => {
    using object = load(`
      interface Row { key: u32; value: u64 }
      export const counts = hash<u32, u64>(8)
      export const rows = iter<u32, u64>('bpf_map_elem', (ctx) => {
        const key = ctx.key
        const value = ctx.value
        if (!key || !value) return 0
        ctx.print(\`\${key.value} \${value.value}\`)
        value.value += 1
        return 0
      })`)
    const counts = object.map<number, bigint>('counts')
    counts.set(3, 40n)
    counts.set(4, 50n)
    using link = object.program('rows').attachIter({ map: counts })
    expect((await link.text()).trim().split('\n').sort()).toEqual(['3 40', '4 50'])
    expect(counts.get(3)).toBe(41n)
  })

  it('sees the maps of the kernel', async () => {
    using object = load(`
      export const counted = hash<u32, u64>(77)
      export let found = data<u64>(0)
      export const maps = iter('bpf_map', (ctx) => {
        const map = ctx.map
        if (!map) return 0
        if (map.max_entries === 77) found += 1
        counted.get(0)
        return 0
      })`)
    using link = object.program('maps').attachIter()
    await link.text()
    expect(dataOf(object).found).toBeGreaterThan(0n)
  })
})

describe('system calls', () => {
  requiresFeature('kprobes', 'ksyscall has the arguments, and kretsyscall the result', () => {
    using object = load(`
      export const pid = rodata<u32>(0)
      export let flags = data<u64>(0)
      export let name = data<char<32>>()
      export let calls = data<u64>(0)
      export let result = data<s64>(-1)
      export const enter = ksyscall('openat', (folder: s32, path, how: u32) => {
        const buffer: char<32> = bpf.probeReadUserStr(path)
        if (buffer !== '/etc/hostname') return 0
        flags = how
        calls += 1
        return 0
      })
      export const leave = kretsyscall('openat', (fd: s32) => {
        result = fd
        return 0
      })`)
    object.attach()
    closeSync(openSync('/etc/hostname', 'r'))
    expect(dataOf(object).calls).toBeGreaterThan(0n)
    expect(dataOf(object).result).toBeGreaterThan(0n)
  })

  it('have the right section and the registers of each machine', () => {
    const text = `export let n = data<u64>(0)
      export const enter = ksyscall('openat', (folder, path) => { n = path; return 0 })
      export const leave = kretsyscall('openat', (fd: s32) => { n = u64(fd); return 0 })
      export const multi = kprobeMulti('tcp_*', (first) => { n = first; return 0 })
      export const multiReturn = kretprobeMulti('tcp_*', (value) => { n = value; return 0 })
      export const license = 'GPL'`
    // The types of this machine's kernel do for both.
    for (const arch of ['x64', 'arm64'] as const) {
      const { object, programs } = compile(text, { arch })
      expect(programs.map(({ section }) => section)).toEqual([
        'ksyscall/openat',
        'kretsyscall/openat',
        'kprobe.multi/tcp_*',
        'kretprobe.multi/tcp_*',
      ])
      using opened = BpfObject.open(object)
      expect(opened.types.find('pt_regs___foreign') === undefined).toBe(arch === process.arch)
    }
  })
})

describe('probes of kernel functions', () => {
  requiresFeature('fprobe', 'kprobeMulti sees all that match (Linux 5.18)', () => {
    using object = load(`
      export let calls = data<u64>(0)
      export let results = data<u64>(0)
      export const enter = kprobeMulti('do_sys_openat*', (folder) => { calls += 1; return 0 })
      export const leave = kretprobeMulti('do_sys_openat*', (fd: s32) => { if (fd > 0) results += 1; return 0 })`)
    object.attach()
    closeSync(openSync('/etc/hostname', 'r'))
    expect(dataOf(object).calls).toBeGreaterThan(0n)
    expect(dataOf(object).results).toBeGreaterThan(0n)
  })

  requiresFeature(
    'fprobe',
    'kprobeSession is one program for the call and the return, and keeps a number between them',
    () => {
      using object = load(`
        export let begun = data<u64>(0)
        export let ended = data<u64>(0)
        export const both = kprobeSession('do_sys_openat*', (folder) => {
          const cookie = kfunc.bpf_session_cookie()
          if (!cookie) return 0
          if (kfunc.bpf_session_is_return()) {
            if (cookie.value === 77) ended += 1
            return 0
          }
          cookie.value = 77
          begun += 1
          return 0
        })`)
      object.attach()
      closeSync(openSync('/etc/hostname', 'r'))
      expect(dataOf(object).begun).toBeGreaterThan(0n)
      expect(dataOf(object).ended).toBeGreaterThan(0n)
    },
    '6.10',
  )

  requiresFeature('trampolines', 'fentry and fexit have the arguments and the result', () => {
    using object = load(`
      export let fd = data<s64>(-1)
      export let calls = data<u64>(0)
      export const enter = fentry('do_sys_openat2', (dfd, filename, how) => { calls += 1; return 0 })
      export const leave = fexit('do_sys_openat2', (dfd, filename, how, result) => {
        if (s32(result) > 0) fd = s32(result)
        return 0
      })`)
    object.attach()
    closeSync(openSync('/etc/hostname', 'r'))
    expect(dataOf(object).calls).toBeGreaterThan(0n)
    expect(dataOf(object).fd).toBeGreaterThan(0n)
  })

  requiresFeature('lsm', 'lsm sees what is opened, and keeps a value for its inode', () => {
    using object = load(`
      export const opened = inodeStorage<u64>()
      export let most = data<u64>(0)
      export const onOpen = lsm('file_open', (file) => {
        const count = opened.getOrCreate(file.f_inode)
        if (!count) return 0
        count.value += 1
        if (count.value > most) most = count.value
        return 0
      })`)
    object.attach()
    for (let i = 0; i < 5; i++) closeSync(openSync('/etc/hostname', 'r'))
    expect(dataOf(object).most).toBeGreaterThanOrEqual(5n)
  })

  it('name their section as libbpf reads it', () => {
    const { programs } = compile(`
      export const a = fentry('vfs_fsync', (file, datasync) => 0)
      export const b = fexit('vfs_fsync', (file, datasync, result) => 0)
      export const c = fmodRet('security_file_open', (file) => 0)
      export const d = lsm('file_open', (file) => 0)
      export const e = lsmCgroup('socket_create', (family) => 1)
      export const license = 'GPL'`)
    expect(programs.map(({ section }) => section)).toEqual([
      'fentry/vfs_fsync',
      'fexit/vfs_fsync',
      'fmod_ret/security_file_open',
      'lsm/file_open',
      'lsm_cgroup/socket_create',
    ])
  })
})
