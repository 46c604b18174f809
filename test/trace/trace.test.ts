import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompileError } from 'libbpf-node/kernel'
import { avg, count, hist, latency, lhist, max, min, str, sum, trace } from 'libbpf-node/trace'
import { describe, expect, it } from 'vitest'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

/** How many programs this process holds. */
function ownPrograms(): number {
  return readdirSync('/proc/self/fdinfo').filter((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').includes('prog_type')
    } catch {
      return false
    }
  }).length
}

const soon = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Reads a file in pieces of one size. */
function readPieces(size: number, pieces: number): void {
  const fd = openSync('/dev/zero', 'r')
  for (let i = 0; i < pieces; i++) readSync(fd, new Uint8Array(size), 0, size, 0)
  closeSync(fd)
}

const own = { filter: (r: { pid: number }) => r.pid === self, constants: { self: process.pid } }
// What stands in functions is looked up in the constants when they are compiled.
const self = process.pid

describe('trace', () => {
  useTracefs()

  it('reports what the function returns', async () => {
    const path = join(tmpdir(), 'libbpf-node-trace')
    writeFileSync(path, '')
    await using opens = await trace(
      'tracepoint:syscalls:sys_enter_openat',
      ({ args, comm, pid }) => ({ comm, pid, file: str(args.filename!), flags: args.flags! }),
      own,
    )
    expect(opens.probes).toEqual(['tracepoint:syscalls:sys_enter_openat'])
    readFileSync(path)
    for await (const event of opens) {
      if (event.file !== path) continue
      expect(event).toMatchObject({ pid: process.pid, file: path })
      expect(typeof event.flags).toBe('number')
      break
    }
    expect(opens.lost).toBe(0)
  })

  it('leaves out what the function returns nothing for', async () => {
    using pids = await trace(
      'rawtracepoint:sched_process_exec',
      (r) => {
        const parent = r.task.real_parent!.tgid!
        if (parent !== self) return
        return r.comm
      },
      { constants: { self } },
    )
    const seen: string[] = []
    pids.on((comm) => void seen.push(comm))
    execFileSync('/bin/true')
    execFileSync('/bin/echo')
    await soon(50)
    expect(seen).toEqual(['true', 'echo'])
  })

  it('takes several probes, and tells them apart', async () => {
    using events = await trace('rt:sched_process_exec,t:sched:sched_process_exit', 'probe, pid')
    const seen: { probe: string; pid: number }[] = []
    events.on((event) => void seen.push(event as { probe: string; pid: number }))
    const child = Number(execFileSync('/bin/sh', ['-c', 'echo $$'], { encoding: 'utf8' }))
    await soon(50)
    expect(seen.filter(({ pid }) => pid === child).map(({ probe }) => probe)).toEqual([
      'rt:sched_process_exec',
      'tracepoint:sched:sched_process_exit',
    ])
  })

  it('detaches when it is closed', async () => {
    const before = ownPrograms()
    const events = await trace('rt:sched_process_exec', 'pid')
    expect(ownPrograms()).toBe(before + 1)
    events.close()
    events.close()
    expect(events.closed).toBe(true)
    await until('the probes are seen', () => ownPrograms() === before)
  })

  it.each<[string, string, unknown, RegExp]>([
    [
      'a probe that does not exist',
      't:sched:sched_swich',
      'pid',
      /no such tracepoint .* did you mean 'sched_switch'/,
    ],
    ['a kind of probe that does not exist', 'kprobes:x:y', 'pid', /'kprobes:x:y' is not a probe/],
    ['wildcards that match nothing', 't:sched:nothing*', 'pid', /no tracepoint matches sched:nothing\*/],
    [
      'a member that probes do not have',
      'rt:sched_switch',
      (r: { com: string }) => r.com,
      /probes have no 'com'.*Did you mean 'comm'/,
    ],
    [
      'an argument that does not exist',
      'rt:sched_switch',
      'args.nxt',
      /has no argument 'nxt'; it has preempt, prev, next/,
    ],
    ['a name of user space', 'rt:sched_switch', () => soon, /'soon' only exists in user space/],
    ['a bound function', 'rt:sched_switch', soon.bind(null), /bound or built in/],
    ['a result of what has none', 'rt:sched_switch', 'retval', /has no retval/],
    [
      'arguments of what has returned',
      'kr:vfs_read',
      'args.file',
      /has no arguments, because the function has returned/,
    ],
    ['an async function', 'rt:sched_switch', async () => 1, /is not async/],
    ['text that is no TypeScript', 'rt:sched_switch', 'pid +', /Unexpected token/],
    [
      'nothing in particular',
      'rt:sched_switch',
      (r: unknown) => r,
      /use a member of the parameter: comm, pid/,
    ],
    ['a tracepoint without its category', 'sched_switch', 'pid', /did you mean 'sched:sched_switch'\?/],
    ['a function without its kind', 'vfs_read', 'pid', /did you mean 'kprobe:vfs_read'\?/],
    ['half a uprobe', 'uprobe:/bin/true', 'pid', /is not a probe: write uprobe:FILE:FUNCTION/],
    [
      'an argument without args',
      't:sched:sched_switch',
      'prev_comm',
      /'prev_comm' is an argument of the probe: write args.prev_comm/,
    ],
    [
      'what a tracepoint does not record',
      't:syscalls:sys_exit_read',
      'args.retval',
      /has no argument 'retval'; it has .*ret/,
    ],
    ['text without quotes', 'rt:sched_switch', 'comm === bash', /Text is written in quotes: 'bash'/],
    [
      'a list',
      'rt:sched_switch',
      (r: { comm: string }) => [r.comm],
      /write { name: value } instead of \[r.comm\]/,
    ],
    ['text that is put together', 'rt:sched_switch', '"a" + comm', /cannot be put together in the kernel/],
    ['the length of text', 'rt:sched_switch', 'comm.length', /comm is text, which has no length/],
    ['arrows', 't:sched:sched_switch', 'args->prev_comm', /members stand behind a dot, as in args.filename/],
    ['printf', 'rt:sched_switch', 'printf("%s", comm)', /there is no printf in the kernel/],
    ['a block with printf', 'rt:sched_switch', '{ printf("x"); }', /there is no printf in the kernel/],
    ['a constant that is none', 'rt:sched_switch', 'self.pid', /'self' only exists in user space/],
  ])('refuses %s', async (_, probe, code, message) => {
    await expect(trace(probe, code as string)).rejects.toThrow(message)
  })

  it('shows the place of a mistake that the compiler finds', async () => {
    const error = await trace('rt:sched_switch', 'args.next.nothing').catch((error: unknown) => error)
    expect(error).toBeInstanceOf(CompileError)
    expect((error as CompileError).reason).toBe("struct task_struct has no member 'nothing' in this kernel")
  })

  it('recognizes what a coverage tool made of a function', async () => {
    const code = '(r) => { cov_1x().s[0]++; return r.pid }'
    await expect(trace('rt:sched_switch', code)).rejects.toThrow('was instrumented by a coverage tool')
  })

  it('knows words that a bundler has put behind an import', async () => {
    using events = await trace(
      't:syscalls:sys_enter_openat',
      '(r) => (0, __vi_import_0__.str)(r.args.filename)',
      own,
    )
    expect(events.source).toMatch(/bpf\.probeReadUserStr\)?\(ctx\.args\[1\]\)/)
  })
})

const reads = 'tracepoint:syscalls:sys_exit_read,tracepoint:syscalls:sys_exit_pread64'

describe('what is counted in the kernel', () => {
  useTracefs()

  it('counts by a key', async () => {
    using calls = await count(reads, { ...own, by: (r) => ({ comm: r.comm, size: r.retval }) })
    readPieces(77, 5)
    readPieces(78, 3)
    const rows = calls.rows().filter(({ key }) => key.size === 77 || key.size === 78)
    expect(rows.map(({ key, value }) => [key.size, value])).toEqual([
      [77, 5],
      [78, 3],
    ])
    expect(rows[0]!.key.comm).toBe(readFileSync('/proc/self/comm', 'utf8').trim())
    expect(calls.top(1)).toHaveLength(1)
    expect(`${calls}`).toMatch(/^ *5 .*, 77$/m)
    expect(JSON.parse(JSON.stringify(calls))).toEqual(calls.rows())
  })

  it('counts all together without a key', async () => {
    using calls = await count(reads, { filter: 'pid === self && retval === 33', constants: { self } })
    expect(calls.rows()).toEqual([])
    readPieces(33, 4)
    expect(calls.rows()).toEqual([{ key: undefined, value: 4 }])
  })

  it('refuses what is no object of options, and text as a number', async () => {
    const by = ((r: { comm: string }) => r.comm) as object
    await expect(count('rt:sched_switch', by)).rejects.toThrow('such as { by: (r) => r.comm }')
    await expect(hist(reads, by as { value: string })).rejects.toThrow('such as { value: (r) => r.retval }')
    await expect(sum(reads, {} as { value: string })).rejects.toThrow('the number is missing')
    await expect(hist(reads, { value: 'comm' })).rejects.toThrow('comm is text, and not a number')
  })

  it('has one row for each name', async () => {
    using calls = await count('rt:sched_switch', { by: (r) => r.args.prev!.comm })
    for (let i = 0; i < 20; i++) execFileSync('/bin/true')
    const names = calls.rows().map(({ key }) => key)
    expect(names).toContain('true')
    expect(new Set(names).size).toBe(names.length)
  })

  it('adds up, and has the mean, the least and the most', async () => {
    const options = {
      filter: 'pid === self && retval > 100 && retval < 200',
      constants: { self },
      value: 'retval',
    }
    using total = await sum(reads, options)
    using mean = await avg(reads, options)
    using least = await min(reads, options)
    using most = await max(reads, options)
    readPieces(110, 3)
    readPieces(150, 1)
    expect(total.rows()[0]!.value).toBe(480)
    expect(mean.rows()[0]!.value).toBe(120)
    expect(least.rows()[0]!.value).toBe(110)
    expect(most.rows()[0]!.value).toBe(150)
  })

  it('keeps the sign of a number', async () => {
    const options = { ...own, value: 'retval', filter: 'pid === self && retval < 0', constants: { self } }
    using total = await sum('t:syscalls:sys_exit_openat', options)
    using sizes = await hist('t:syscalls:sys_exit_openat', options)
    for (let i = 0; i < 3; i++) expect(() => openSync('/nowhere', 'r')).toThrow()
    expect(total.rows()[0]!.value).toBe(-6)
    expect(sizes.groups()).toMatchObject([{ count: 3, buckets: [{ from: -Infinity, to: 0, count: 3 }] }])
  })

  it('sorts values by powers of two', async () => {
    using sizes = await hist(reads, {
      ...own,
      value: 'retval',
      filter: 'pid === self && retval >= 1000',
      constants: { self },
    })
    readPieces(1023, 1)
    readPieces(1024, 2)
    readPieces(2047, 1)
    readPieces(5000, 1)
    const [group] = sizes.groups()
    const has = (from: number) => group!.buckets.find((bucket) => bucket.from === from)
    expect(has(512)).toEqual({ from: 512, to: 1024, count: 1 })
    expect(has(1024)).toEqual({ from: 1024, to: 2048, count: 3 })
    expect(has(4096)).toEqual({ from: 4096, to: 8192, count: 1 })
    expect(`${sizes}`).toMatch(/^\[1K, 2K\) +3 /m)
  })

  it('sorts values into buckets of equal width', async () => {
    using sizes = await lhist(reads, {
      value: 'retval',
      filter: 'pid === self && retval < 60',
      constants: { self },
      min: 30,
      max: 50,
      step: 10,
    })
    for (const size of [5, 30, 39, 40, 49, 50, 59]) readPieces(size, 1)
    expect(sizes.groups()[0]!.buckets.map(({ from, count }) => [from, count])).toEqual([
      [-Infinity, expect.any(Number)],
      [30, 2],
      [40, 2],
      [50, 2],
    ])
  })

  it('measures the time between two probes', async () => {
    using times = await latency(
      't:syscalls:sys_enter_clock_nanosleep',
      't:syscalls:sys_exit_clock_nanosleep',
      {
        by: 'pid, comm',
        unit: 'ms',
      },
    )
    const child = Number(execFileSync('/bin/sh', ['-c', 'echo $$; exec sleep 0.05'], { encoding: 'utf8' }))
    const group = times
      .groups()
      .find(({ key }) => (key as unknown as { pid: number; comm: string }).pid === child)
    // It may take longer on a machine that is busy, but not less.
    expect(group).toMatchObject({ count: 1, buckets: [{ from: expect.any(Number), count: 1 }] })
    expect(group!.buckets[0]!.from).toBeGreaterThanOrEqual(32)
  })

  it.each([
    [{ min: 0, max: 10, step: 0 }],
    [{ min: 0, max: 1e6, step: 1 }],
    [{ min: 5, max: 5, step: 1 }],
    [{ min: 0.5, max: 5, step: 1 }],
  ])('refuses the buckets %j', async (buckets) => {
    await expect(lhist(reads, { value: 'retval', ...buckets })).rejects.toThrow(RangeError)
  })
})
