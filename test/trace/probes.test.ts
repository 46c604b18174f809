import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { listHooks } from 'libbpf-node/hooks'
import { avg, count, kstr, ksym, latency, stacks, str, trace } from 'libbpf-node/trace'
import { describe, expect, it } from 'vitest'
import { requires, shop, useProgram } from '../attach/surroundings.js'
import { counterProgram, requiresBreakpoints } from '../helpers/breakpoints.js'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { usePerfEvents, useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

const run = (file: string, ...args: string[]) => execFileSync(file, args, { encoding: 'utf8' })

const instructionPointer = process.arch === 'arm64' ? 'pc' : 'ip'

const shopProgram = useProgram(shop)

describe('probes', () => {
  useTracefs()

  requiresKernel('5.15', 'have one program together if it is the same, and tell their names', async () => {
    using calls = await count('tracepoint:syscalls:sys_enter_*l', { by: 'probe', pid: process.pid })
    expect(calls.probes.length).toBeGreaterThan(5)
    expect(calls.source.match(/^export const p\d/gm)).toHaveLength(1)
    process.kill(process.pid, 0)
    process.kill(process.pid, 0)
    const row = calls.rows().find(({ key }) => key === 'tracepoint:syscalls:sys_enter_kill')
    expect(row?.value).toBe(2)
  })

  it('have programs of their own where the arguments differ', async () => {
    using calls = await count('t:sched:sched_process_exec,t:sched:sched_process_exit', {
      by: (r) => r.args.pid!,
      filter: (r) => r.comm === 'true',
    })
    run('/bin/true')
    expect(calls.source.match(/^export const p\d/gm)).toHaveLength(2)
    await until('the probes are seen', () => calls.rows().some(({ value }) => value === 2))
  })

  it('have arguments where tracepoints share what they record', async () => {
    using wakes = await trace(
      't:sched:sched_wakeup,t:sched:sched_wakeup_new,t:sched:sched_process_free',
      (r) => ({
        pid: r.args.pid!,
        comm: r.args.comm!,
        probe: r.probe,
      }),
    )
    const seen: { pid: number; comm: unknown; probe: string }[] = []
    wakes.on((event) => void seen.push(event as unknown as (typeof seen)[0]))
    const child = Number(run('/bin/sh', '-c', 'echo $$'))
    const of = (name: string) => seen.filter(({ pid, probe }) => pid === child && probe.endsWith(name))
    await until('the process was seen', () => of('sched_wakeup_new').length > 0)
    await until('the process was freed', () => of('sched_process_free').length > 0)
    expect(of('sched_process_free')[0]!.comm).toBe('sh')
  })

  it('are functions of programs and libraries', async () => {
    using calls = await trace('uprobe:libc.so.6:getenv', (r) => {
      const name = str(r.arg0)
      if (name === 'POSIXLY_CORRECT' && r.comm !== 'node') return { comm: r.comm, name }
      return
    })
    const seen: { comm: string }[] = []
    calls.on((event) => void seen.push(event as { comm: string }))
    run('/bin/mktemp', '-u')
    await until('the probes are seen', () => seen.some(({ comm }) => comm === 'mktemp'))
    expect(seen).toContainEqual({ comm: 'mktemp', name: 'POSIXLY_CORRECT' })
  })

  it('are returns from functions of programs and libraries', async () => {
    using results = await count('uretprobe:libc.so.6:getpagesize', { by: (r) => r.retval })
    execFileSync('/usr/bin/env', ['getconf', 'PAGESIZE'])
    expect(results.rows().every(({ key }) => key === 4096)).toBe(true)
  })

  requiresKernel('6.6', 'are all functions of a file that match', async () => {
    using calls = await count('uprobe:libc.so.6:getp*', { by: 'comm' })
    run('/bin/sh', '-c', 'echo $PPID')
    expect(calls.rows().map(({ key }) => key)).toContain('sh')
  })

  requiresKernel('5.15', 'are static probes of programs', async () => {
    using sold = await trace(`usdt:${shopProgram()}:shop:sold`, (r) => ({
      amount: r.arg0,
      what: str(r.arg1),
    }))
    const seen: unknown[] = []
    sold.on((event) => void seen.push(event))
    run(shopProgram())
    await until('the shop has sold something', () => seen.length > 0)
    expect(seen[0]).toMatchObject({ what: 'apples' })
  })

  it('are limited to a process', async () => {
    using calls = await count('raw_syscalls:sys_enter', { by: 'pid', pid: process.pid })
    run('/bin/true')
    expect(calls.rows().map(({ key }) => key)).toEqual([process.pid])
  })

  it.each(['profile:hz:0', 'profile:hz', 'profile:years:1', 'interval:s:1:2', 'interval:s:x'])(
    'refuse the timer %s',
    async (probe) => {
      await expect(count(probe)).rejects.toThrow('is not a timer')
    },
  )

  it.each<[string, string, RegExp]>([
    ['uprobe:/bin/true', 'pid', /is not a probe/],
    ['uprobe:/bin/nothing:main', 'pid', /does not exist/],
    ['uprobe:/bin/true:nothing_here', 'pid', /nothing_here/],
    ['uprobe:/bin/true:main', 'args.argc', /have no names: write arg0/],
    ['uretprobe:/bin/true:main', 'args.argc', /has no arguments, because the function has returned/],
    ['profile:hz:99', 'arg0', /has no arguments/],
    ['usdt:/bin/true:a:b', 'pid', /no USDT probes/],
    ['usdt:/bin/true:a', 'pid', /is not a probe/],
    ['', 'pid', /is not a probe/],
  ])('refuse %s with %s', async (probe, code, message) => {
    await expect(trace(probe, code)).rejects.toThrow(message)
  })
})

describe('timers', () => {
  useTracefs()
  usePerfEvents()

  it('run on all busy CPUs', async () => {
    using samples = await count('profile:hz:199', { by: 'comm, pid' })
    const end = Date.now() + 200
    while (Date.now() < end) Math.sqrt(end)
    expect(samples.rows().map(({ key }) => key)).toContainEqual({
      comm: expect.any(String),
      pid: process.pid,
    })
  })

  it('count events of the kernel', async () => {
    using switches = await count('software:context-switches:1', { by: 'pid' })
    const own = (): number => switches.rows().find(({ key }) => key === process.pid)?.value ?? 0
    await until('this process has waited five times', () => own() >= 5)
    using faults = await count('s:faults:1,s:minor-faults:1', { by: 'probe', pid: process.pid })
    new Uint8Array(1 << 22).fill(1)
    expect(
      faults
        .rows()
        .map(({ key }) => key)
        .sort(),
    ).toEqual(['s:faults:1', 's:minor-faults:1'])
  })

  it('run at intervals', async () => {
    using ticks = await trace('interval:ms:20', 'nsecs')
    const times: number[] = []
    for await (const time of ticks as AsyncIterable<number>) if (times.push(time) === 6) break
    // Each of them can be late, the first one too.
    expect(times[5]! - times[0]!).toBeGreaterThan(75e6)
  })

  it('count stacks, which have names', async () => {
    const child = spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' })
    try {
      using samples = await stacks('profile:hz:199', { pid: child.pid!, by: 'cpu' })
      await until('samples were taken', () => samples.rows().length > 0)
      // Samples of a process that runs on are more at each look, and on a slow machine names take longer than new samples.
      child.kill('SIGSTOP')
      const rows = samples.rows()
      expect(rows.every(({ pid, value }) => pid === child.pid && value > 0)).toBe(true)
      expect(samples.folded()).toMatch(/^\d+;\S+;.* \d+$/m)
      expect(samples.lost).toBe(0)
      samples.clear()
      expect(samples.rows()).toEqual([])
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('watchpoints', () => {
  usePerfEvents()
  const program = useProgram(counterProgram)

  requiresBreakpoints('are hit at each write to a variable of a process', async () => {
    const child = spawn(program(), { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      const probe = `watchpoint:${line.toString().trim()}:8:w`
      await expect(count(probe)).rejects.toThrow('is an address of a process: say which one, with pid')
      // One after the other: an emulated processor has one watchpoint for an address.
      const writes = await count(probe, { pid: child.pid! })
      child.stdin.write('ww')
      await until('the writes were counted', () => writes.rows()[0]?.value === 2)
      writes.close()
      using places = await trace(probe, `usym(reg('${instructionPointer}'))`, { pid: child.pid! })
      const seen: unknown[] = []
      places.on((place) => void seen.push(place))
      child.stdin.write('w')
      await until('the write was seen', () => seen.length > 0)
      expect(seen).toEqual([expect.stringMatching(/^main\+\d+$/)])
    } finally {
      child.kill()
    }
  })

  it.each(['watchpoint:0x1000:3:w', 'w:0x1000:8:y', 'w:0x1000:8', 'w:0x1000:8:w:1'])(
    'are not written like %s',
    async (probe) => {
      await expect(count(probe)).rejects.toThrow('is not a watchpoint: write watchpoint:ADDRESS:8:w')
    },
  )

  it('of the kernel are its variables', async () => {
    await expect(count('w:no_such_variable:8:w')).rejects.toThrow("no variable 'no_such_variable'")
  })
})

describe('iterators', () => {
  requiresKernel('5.8', 'go over all there is of something', async () => {
    using tasks = await count('iter:task', { by: ({ args }) => args.task!.tgid! })
    const threads = tasks.rows().find(({ key }) => (key as unknown as number) === process.pid)!.value
    expect(threads).toBeGreaterThan(0)
    expect(threads).toBeLessThanOrEqual(readdirSync('/proc/self/task').length)
    using files = await trace('it:task_file', 'args.fd, kstr(args.file.f_path.dentry.d_name.name)', {
      filter: 'args.task.tgid === self && args.fd === wanted',
      constants: { self: process.pid, wanted: 2 },
    })
    for await (const { fd } of files as AsyncIterable<{ fd: number }>) {
      expect(fd).toBe(2)
      break
    }
  })

  it.each<[string, string, RegExp]>([
    ['iter:taks', 'pid', /no iterator 'taks'; did you mean 'task'/],
    ['iter:task', 'args.tsk', /has no argument 'tsk'; it has task/],
    ['iter:task', 'arg0', /have names: write args.name/],
    ['iter:bpf_map_elem', 'pid', /the elements of a map/],
  ])('refuse %s with %s', async (probe, code, message) => {
    await expect(trace(probe, code)).rejects.toThrow(message)
  })
})

describe('probes in modules', () => {
  useTracefs()
  // The file system of the guests in which tests run on other kernels.
  const guest = {
    here: () => existsSync('/sys/kernel/btf/9pnet') && existsSync('/sys/kernel/btf/overlay'),
    missing: 'overlayfs or 9p is no module that is loaded',
    since: '5.11',
  }
  /** A file that was not read before. */
  const readSomething = (): void => {
    for (const name of readdirSync('/usr/share/perl5')) {
      const path = `/usr/share/perl5/${name}`
      if (statSync(path).isFile()) readFileSync(path)
    }
  }

  requires(guest, 'have what tracepoints record', async () => {
    const [hook] = listHooks('9p/9p_client_req', { kinds: ['tracepoint'] })
    expect(hook).toMatchObject({ context: 'struct trace_event_raw_9p_client_req', module: '9pnet' })
    using requests = await count('t:9p:9p_client_req', { by: (r) => r.args.type! })
    readSomething()
    // T_WALK is 110.
    await until('a request was seen', () => requests.rows().some(({ key }) => Number(key) === 110))
  })

  requires(guest, 'have the arguments of tracepoints and functions', async () => {
    using requests = await count('rt:9p_client_req', { by: (r) => r.args.tag! })
    using opens = await trace('kprobe:ovl_open', (r) => kstr(r.args.file!.f_path!.dentry!.d_name!.name!))
    const seen: unknown[] = []
    opens.on((name) => void seen.push(name))
    readFileSync('/etc/hostname')
    readSomething()
    await until('a request was seen', () => requests.rows().length > 0)
    await until('the file was seen', () => seen.includes('hostname'))
  })
})

describe('names of functions', () => {
  useTracefs()

  it('are those of the kernel', async () => {
    using timers = await count('timer:hrtimer_expire_entry', { by: (r) => ksym(r.args.function!) })
    await until('a timer of this process was seen', () =>
      timers.rows().some(({ key }) => key === 'hrtimer_wakeup'),
    )
  })

  it('are those of the process, and its registers have names', async () => {
    using calls = await trace(
      'uprobe:libc.so.6:getenv',
      `str(arg0), usym(reg('${instructionPointer}')), usym(8)`,
      { pid: process.pid },
    )
    const seen: unknown[] = []
    calls.on((call) => void seen.push(call))
    expect(process.env.LIBBPF_NODE_NOTHING).toBeUndefined()
    await until('the call was seen', () => seen.length > 0)
    expect(seen).toContainEqual({
      value0: 'LIBBPF_NODE_NOTHING',
      value1: expect.stringMatching(/getenv$/),
      value2: '0x8',
    })
  })

  it('of a CPU that has nothing to do have no names', async () => {
    using switches = await count('rt:sched_switch', { by: 'usym(8)', filter: 'pid === 0' })
    await until('a CPU had something to do again', () => switches.rows().length > 0)
    expect(switches.rows()).toEqual([{ key: '0x8', value: expect.any(Number) }])
  })

  it.each<[string, string, RegExp]>([
    ['t:sched:sched_switch', "reg('ip')", /there are no registers here/],
    ['uprobe:libc.so.6:getenv', "reg('nothing')", /there is no register 'nothing'/],
    ['uprobe:libc.so.6:getenv', 'reg(arg0)', /needs the name of a register/],
    ['uprobe:libc.so.6:getenv', "ksym(arg0) === 'x'", /becomes a name only in user space/],
    ['uprobe:libc.so.6:getenv', 'usym()', /usym has one argument/],
  ])('refuse %s with %s', async (probe, code, message) => {
    await expect(trace(probe, code)).rejects.toThrow(message)
  })
})

describe('stacks', () => {
  useTracefs()

  it('are those of the kernel and of the process', async () => {
    using calls = await stacks('rt:sched_process_exec', { filter: (r) => r.comm === 'true' })
    for (let i = 0; i < 3; i++) run('/bin/true')
    const rows = calls.rows()
    expect(rows.length).toBeGreaterThanOrEqual(3)
    const [row] = rows
    expect(row).toMatchObject({ comm: 'true', value: 1 })
    expect(row!.frames.map(({ name }) => name).join()).toMatch(/execve/)
    expect(calls.toString()).toMatch(/ {2}\w*execve\w*\+\d+\n/)
    expect(JSON.parse(JSON.stringify(calls))[0].stack.join()).toMatch(/execve/)
  })

  it('have no names of a program that the process ran before', async () => {
    const script = 'read a; readlink /proc/self >/dev/null; read b; exec bash -c "read c"'
    const child = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'] })
    try {
      using calls = await stacks('raw_syscalls:sys_enter', { pid: child.pid!, kernel: false })
      const names = (comm: string) =>
        calls
          .rows()
          .filter((row) => row.comm === comm)
          .flatMap(({ frames }) => frames.map(({ name }) => name))
      child.stdin.write('a\n')
      await until('the shell was seen', () => names('sh').some((name) => name !== undefined))
      child.stdin.write('b\n')
      await until('bash was seen', () => names('bash').some((name) => name !== undefined))
      expect(names('sh').every((name) => name === undefined)).toBe(true)
    } finally {
      child.kill()
    }
  })

  it('say what they had no room for', async () => {
    using calls = await stacks('raw_syscalls:sys_enter', { maxKeys: 1, by: 'nsecs' })
    run('/bin/true')
    expect(calls.rows()).toHaveLength(1)
    expect(calls.isFull).toBe(true)
    expect(calls.lost).toBeGreaterThan(0)
  })
})

describe("probes of the kernel's functions", () => {
  useTracefs()

  requiresFeature('kprobes', 'match names, with one program where the kernel can', async () => {
    using calls = await count('kprobe:vfs_read,kprobe:vfs_write,kprobe:vfs_open', {
      by: 'probe',
      pid: process.pid,
    })
    execFileSync('/bin/true')
    expect(calls.rows().map(({ key }) => key)).toContain('kprobe:vfs_read')
    using all = await count('kprobe:vfs_*', { by: 'comm' })
    expect(all.probes.length).toBeGreaterThan(20)
    run('/bin/true')
    expect(all.rows().map(({ key }) => key)).toContain('true')
  })

  requiresFeature('kprobes', 'have arguments with types', async () => {
    using opens = await trace('kprobe:vfs_open', ({ args, comm }) => ({
      comm,
      name: kstr(args.path!.dentry!.d_name!.name!),
    }))
    const seen: { comm: string; name: string }[] = []
    opens.on((event) => void seen.push(event as unknown as { comm: string; name: string }))
    run('/bin/cat', '/etc/hostname')
    await until('the probes are seen', () =>
      seen.some(({ comm, name }) => comm === 'cat' && name === 'hostname'),
    )
  })

  requiresFeature('kprobes', 'have results with their sign', async () => {
    using sizes = await avg('kretprobe:vfs_read', { value: 'retval', filter: 'retval < 0', by: 'comm' })
    using times = await latency('kprobe:vfs_read', 'kretprobe:vfs_read', { by: 'comm' })
    run('/bin/sh', '-c', 'cat / 2>/dev/null || true')
    expect(times.groups().length).toBeGreaterThan(0)
    for (const { value } of sizes.rows()) expect(value).toBeGreaterThan(-4096)
  })
})
