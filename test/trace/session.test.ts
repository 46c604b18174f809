import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { listLinks } from 'libbpf-node'
import { count, counter, hist, histogram, session, table, trace } from 'libbpf-node/trace'
import { describe, expect, it } from 'vitest'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

describe('session', () => {
  useTracefs()

  it('has functions that share tables', async () => {
    using lives = await session(
      { started: table<number>(), lived: histogram<string>({ unit: 'us' }), runs: counter<string>() },
      [
        [
          'rt:sched_process_exec',
          (r, { started, runs }) => {
            started.set(r.pid, r.nsecs)
            runs.add(r.comm)
          },
        ],
        [
          'rt:sched_process_exit',
          (r, { started, lived }) => {
            const since = started.get(r.pid)
            if (!since) return
            lived.record(r.nsecs - since.value, r.comm)
            started.delete(r.pid)
            return { pid: r.pid, comm: r.comm }
          },
        ],
      ],
      { filter: (r) => r.comm === 'true' },
    )
    const ended: string[] = []
    lives.events.on(({ comm }) => void ended.push(comm))
    for (let i = 0; i < 3; i++) execFileSync('/bin/true')
    await until('the probes are seen', () => ended.length >= 3)
    expect(new Set(ended)).toEqual(new Set(['true']))
    expect(lives.tables.runs.rows()[0]).toMatchObject({ key: 'true' })
    expect(lives.tables.lived.groups()[0]!.count).toBeGreaterThanOrEqual(3)
    expect(lives.tables.started.entries().length).toBeLessThan(100)
    expect(lives.lost).toBe(0)
  })

  it('runs begin and end once, and reads what was counted after it has stopped', async () => {
    using both = await session({ seen: counter<string>() }, [
      ['begin', (r, { seen }) => void seen.add(r.probe)],
      ['end', (r, { seen }) => seen.add(r.probe)],
    ])
    expect(both.tables.seen.rows()).toEqual([{ key: 'begin', value: 1 }])
    both.stop()
    both.stop()
    expect(both.tables.seen.rows()).toHaveLength(2)
    expect(both.tables.seen.rows().every(({ value }) => value === 1)).toBe(true)
    expect(() => both.events).toThrow('no function of this session returns an event')
  })

  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'a table that it does not have',
      () => session({ a: table() }, [['begin', '(r, { b }) => b.set(1, 2)']]),
      /has no 'b'; it has a/,
    ],
    [
      'a name that is taken',
      () => session({ events: table() }, [['begin', 'pid']]),
      /'events' cannot be the name/,
    ],
    ['no probe', () => session({}, []), /a session needs a probe/],
    ['a room of nothing', () => session({ a: table({ maxKeys: 0 }) }, [['begin', 'pid']]), /maxKeys is 0/],
  ])('refuses %s', async (_, open, message) => {
    await expect((async () => open())()).rejects.toThrow(message)
  })
})

describe('what is counted', () => {
  useTracefs()

  it('can be read that often, until it is closed', async () => {
    const calls = await count('raw_syscalls:sys_enter')
    const values: number[] = []
    for await (const [row] of calls.every(10)) {
      values.push(row?.value ?? 0)
      if (values.length === 3) calls.close()
    }
    expect(values).toHaveLength(3)
    expect(values[2]).toBeGreaterThanOrEqual(values[0]!)
    using sizes = await hist('t:syscalls:sys_exit_read', { value: 'retval' })
    const stop = new AbortController()
    let rounds = 0
    for await (const _ of sizes.every(5, { signal: stop.signal })) if (++rounds === 2) stop.abort()
    expect(rounds).toBe(2)
    await expect(calls.every(0).next()).rejects.toThrow(RangeError)
  })

  it('says what it had no room for', async () => {
    using calls = await count('raw_syscalls:sys_enter', { by: 'nsecs', maxKeys: 10, pid: process.pid })
    for (let i = 0; i < 50; i++) process.kill(process.pid, 0)
    expect(calls.rows()).toHaveLength(10)
    expect(calls.isFull).toBe(true)
    const { lost } = calls
    expect(lost).toBeGreaterThanOrEqual(40)
    using sizes = await hist('raw_syscalls:sys_enter', { by: 'nsecs', value: '1', maxKeys: 5 })
    execFileSync('/bin/true')
    expect(sizes.isFull).toBe(true)
  })

  it('can be forgotten', async () => {
    using calls = await count('raw_syscalls:sys_enter', { by: 'comm' })
    using all = await count('t:syscalls:sys_enter_kill', { pid: process.pid })
    execFileSync('/bin/true')
    process.kill(process.pid, 0)
    expect(calls.rows().map(({ key }) => key)).toContain('true')
    expect(all.rows()).toEqual([{ key: undefined, value: 1 }])
    calls.clear()
    all.clear()
    expect(calls.rows().map(({ key }) => key)).not.toContain('true')
    expect(all.rows()).toEqual([])
  })

  it('keeps keys apart that look alike', async () => {
    using calls = await hist('t:syscalls:sys_enter_kill', {
      by: "{ a: 'x, y', b: 'z' }",
      value: '1',
      pid: process.pid,
    })
    process.kill(process.pid, 0)
    expect(calls.groups()).toMatchObject([{ key: { a: 'x, y', b: 'z' }, count: 1 }])
  })
})

describe('a process that is killed', () => {
  useTracefs()

  it('leaves nothing attached', async () => {
    const script = `import { trace } from 'libbpf-node/trace'
      const events = await trace('rt:sched_process_exec', 'pid')
      console.log('attached')
      setInterval(() => events, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    const linksOf = (pid: number) =>
      readdirSync(`/proc/${pid}/fdinfo`).flatMap((fd) => {
        const [, id] = /^link_id:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8')) ?? []
        return id === undefined ? [] : [Number(id)]
      })
    const [link] = linksOf(child.pid!)
    const isThere = () => [...listLinks()].some(({ id }) => id === link)
    expect(isThere()).toBe(true)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await until('the link is gone', () => !isThere())
  })

  it('is no matter for another session with the same functions', async () => {
    using first = await trace('rt:sched_process_exec', 'comm')
    using second = await trace('rt:sched_process_exec', 'comm')
    const seen: [unknown[], unknown[]] = [[], []]
    first.on((event) => void seen[0].push(event))
    second.on((event) => void seen[1].push(event))
    execFileSync('/bin/true')
    await until('the probes are seen', () => seen[0].includes('true') && seen[1].includes('true'))
    first.close()
    execFileSync('/bin/echo')
    await until('the probes are seen', () => seen[1].includes('echo'))
    expect(seen[0]).not.toContain('echo')
  })

  it('can close while it iterates', async () => {
    const events = await trace('raw_syscalls:sys_enter', 'pid')
    let count = 0
    for await (const _ of events) if (++count === 5) events.close()
    expect(count).toBeGreaterThanOrEqual(5)
    expect(events.closed).toBe(true)
  })
})
