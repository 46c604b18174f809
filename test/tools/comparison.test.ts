// The tools compared with those of libbpf-tools, and questions with bpftrace, while the same happens.

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { avg, count, hist, lhist, max, min, sum } from 'libbpf-node/trace'
import { describe, expect, it } from 'vitest'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import { attached, comparesWith, Held, ours, run, useChildren, type Watcher, watch } from './counterparts.js'

const hasKprobes = readFileSync('/proc/kallsyms', 'latin1').includes(' register_kprobe\n')

/** Lines with a mark, split into words. */
const rowsWith = (watcher: Watcher, mark: string): string[][] =>
  watcher
    .lines()
    .filter((line) => line.includes(mark))
    .map((line) => line.trim().split(/\s+/))

async function connect(server: Server, bytes: number): Promise<number> {
  const { port } = server.address() as { port: number }
  const socket = createConnection(port, '127.0.0.1')
  await once(socket, 'connect')
  const { localPort } = socket
  socket.resume().end(Buffer.alloc(bytes))
  await once(socket, 'close')
  return localPort!
}

describe('tools and those of libbpf-tools', () => {
  useTracefs()
  useChildren()

  comparesWith('execsnoop', 'execsnoop sees the same programs', async () => {
    const both = [ours('tool', 'execsnoop'), watch('/usr/sbin/execsnoop')]
    await attached(() => run('/bin/echo', 'attached'), 'echo attached', ...both)
    for (let i = 0; i < 20; i++) run('/bin/echo', 'compared', String(i))
    run('/bin/echo', 'end')
    for (const one of both) await until('the end was seen', () => one.output().includes('echo end'))
    const [own, theirs] = both.map((one) => rowsWith(one, 'echo compared'))
    expect(own).toHaveLength(20)
    // PID PPID UID COMM ARGS here, and PCOMM PID PPID RET ARGS there.
    expect(own!.map(([pid, ppid, , comm, ...args]) => [comm, pid, ppid, ...args])).toEqual(
      theirs!.map(([comm, pid, ppid, , ...args]) => [comm, pid, ppid, ...args]),
    )
  })

  comparesWith('opensnoop', 'opensnoop sees the same files and errors', async () => {
    const path = join(tmpdir(), 'libbpf-node-compared')
    writeFileSync(path, '')
    const pid = String(process.pid)
    const both = [ours('tool', 'opensnoop', '--pid', pid), watch('/usr/sbin/opensnoop', '-p', pid)]
    await attached(() => readFileSync(path), path, ...both)
    for (let i = 0; i < 20; i++) expect(() => readFileSync(`${path}-${i}`)).toThrow('ENOENT')
    for (const one of both) await until('the end was seen', () => one.output().includes(`${path}-19`))
    const [own, theirs] = both.map((one) => rowsWith(one, `${path}-`))
    expect(own!.map(([pid, , fd, error, file]) => [pid, fd, error, file])).toEqual(
      theirs!.map(([pid, , fd, error, file]) => [pid, fd, error === '2' ? 'ENOENT' : error, file]),
    )
    expect(own).toHaveLength(20)
    rmSync(path)
  })

  comparesWith('syscount', 'syscount counts the same system calls', async () => {
    const held = await Held.start('dd if=/dev/zero of=/dev/null bs=1 count=5000')
    const own = ours('tool', 'syscount', '--pid', String(held.pid), '--interval', '0.2', '--json')
    const theirs = watch('/usr/sbin/syscount', '-p', String(held.pid))
    await until('both have attached', () => /\[\]/.test(own.output()) && /Tracing/.test(theirs.output()))
    await held.run()
    await until(
      'it was counted',
      () => own.lines().filter((line) => line.includes('"exit_group"')).length > 1,
    )
    const [lines, table] = [(await own.stop()).trim().split('\n'), await theirs.stop()]
    const answer = JSON.parse(lines.at(-1)!) as { key: string; value: number }[]
    const known = new Map(answer.map(({ key, value }) => [key, value]))
    const rows = [...table.matchAll(/^([a-z]\w+) +(\d+)$/gm)].map(([, name, number]) => [
      name,
      Number(number),
    ])
    expect(rows.length).toBeGreaterThan(5)
    expect(rows.map(([name]) => [name, known.get(name as string)])).toEqual(rows)
    expect(known.get('write')).toBeGreaterThanOrEqual(5000)
  })

  comparesWith('tcplife', 'tcplife sees the same connections and bytes', async () => {
    const server = createServer((socket) => socket.resume().end('x'.repeat(10_240))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const both = [ours('tool', 'tcplife'), watch('/usr/sbin/tcplife')]
    const { port } = server.address() as { port: number }
    await attached(() => connect(server, 1), ` ${port} `, ...both)
    const ports: number[] = []
    for (let i = 1; i <= 5; i++) ports.push(await connect(server, i * 20_480))
    const rows = (watcher: Watcher) => rowsWith(watcher, ` ${port} `)
    // The side that connects: PID COMM LADDR LPORT RADDR RPORT and bytes.
    const ofPorts = (watcher: Watcher) =>
      ports.map((own) => rows(watcher).find((row) => row[3] === String(own)))
    for (const one of both) await until('all have ended', () => !ofPorts(one).includes(undefined))
    server.close()
    const kilobytes = (text: string): number => Math.floor(Number(text) / 1024)
    expect(
      ofPorts(both[0]!).map((row) => [
        ...row!.slice(0, 1),
        ...row!.slice(2, 6),
        ...row!.slice(6, 8).map(kilobytes),
      ]),
    ).toEqual(
      ofPorts(both[1]!).map((row) => [
        ...row!.slice(0, 1),
        ...row!.slice(2, 6),
        ...row!.slice(6, 8).map((text) => Math.floor(Number(text))),
      ]),
    )
  })

  comparesWith('runqlat', 'runqlat counts as many waits', async () => {
    const script = 'let n = 0; const t = setInterval(() => { if (++n === 200) clearInterval(t) }, 5)'
    const held = await Held.start(`'${process.execPath}' -e '${script}'`)
    const own = ours('tool', 'runqlat', '--pid', String(held.pid), '--interval', '0.2')
    const theirs = watch('/usr/sbin/runqlat', '-p', String(held.pid))
    await until('both have attached', () => /nothing/.test(own.output()) && /Tracing/.test(theirs.output()))
    await held.run()
    const before = own.output().length
    await until('it was counted', () => own.output().length > before + 10)
    const [answer, table] = [await own.stop(), await theirs.stop()]
    const last = answer.slice(answer.lastIndexOf('(us)'))
    const total = (text: string, line: RegExp): number =>
      [...text.matchAll(line)].reduce((sum, [, number]) => sum + Number(number), 0)
    const here = total(last, /^\[.*[\])] +(\d+) \|/gm)
    expect(here).toBeGreaterThanOrEqual(200)
    // What was waiting when one of them attached is not known to the other one.
    expect(Math.abs(here - total(table, /-> \d+ +: (\d+) /g))).toBeLessThan(here / 20 + 5)
  })

  const comparesKprobes = (program: string, name: string, test: () => Promise<void>): void => {
    if (hasKprobes) comparesWith(program, name, test)
    else it.skip(`${name} (a kernel with CONFIG_KPROBES)`, test)
  }

  comparesKprobes('filelife', 'filelife sees the same files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-compared-'))
    const make = (name: string): void => {
      writeFileSync(join(folder, name), '')
      rmSync(join(folder, name))
    }
    const both = [ours('tool', 'filelife'), watch('/usr/sbin/filelife')]
    await attached(() => make('attached'), ' attached', ...both)
    for (let i = 0; i < 10; i++) make(`compared-${i}`)
    for (const one of both) await until('the end was seen', () => one.output().includes('compared-9'))
    rmSync(folder, { recursive: true })
    // PID COMM AGE FILE here, and TIME PID COMM AGE(s) FILE there.
    const [own, theirs] = both.map((one) => rowsWith(one, ' compared-'))
    expect(own).toHaveLength(10)
    expect(own!.map((row) => [row[0], row.at(-1)])).toEqual(theirs!.map((row) => [row[1], row.at(-1)]))
  })

  comparesKprobes('capable', 'capable sees the same checks', async () => {
    const both = [ours('tool', 'capable'), watch('/usr/sbin/capable')]
    const ask = () => run('/usr/bin/chroot', '/', '/bin/true')
    await attached(ask, 'chroot', ...both)
    const checks = (one: Watcher) =>
      rowsWith(one, ' chroot ').filter((row) => row.includes('CAP_SYS_CHROOT')).length
    const known = both.map(checks)
    for (let i = 0; i < 10; i++) ask()
    for (const [i, one] of both.entries()) await until('all were seen', () => checks(one) >= known[i]! + 10)
    expect(both.map((one, i) => checks(one) - known[i]!)).toEqual([10, 10])
  })

  comparesKprobes('tcpconnect', 'tcpconnect sees the same connections', async () => {
    const server = createServer((socket) => socket.resume().end()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const both = [ours('tool', 'tcpconnect'), watch('/usr/sbin/tcpconnect')]
    await attached(() => connect(server, 0), ` ${port}`, ...both)
    const known = both.map((one) => rowsWith(one, ` ${port}`).length)
    for (let i = 0; i < 10; i++) await connect(server, 0)
    for (const [i, one] of both.entries())
      await until('all were seen', () => rowsWith(one, ` ${port}`).length >= known[i]! + 10)
    server.close()
    // PID COMM IP FROM TO PORT on both sides.
    const last = both.map((one) =>
      rowsWith(one, ` ${port}`)
        .slice(-10)
        .map((row) => [row[0], row[2], row[3], row[4], row.at(-1)]),
    )
    expect(last[0]).toEqual(last[1])
  })
})

describe('questions and those of bpftrace', () => {
  useTracefs()
  useChildren()

  comparesWith('bpftrace', 'have the same answers', async () => {
    const held = await Held.start('dd if=/dev/zero of=/dev/null bs=300 count=3000')
    const { pid } = held
    const reads = 'tracepoint:syscalls:sys_exit_read'
    const value = 'retval'
    const options = { pid, value }
    using calls = await count('raw_syscalls:sys_enter', { pid })
    using names = await count('tracepoint:syscalls:sys_enter_read,tracepoint:syscalls:sys_enter_write', {
      pid,
      by: 'probe',
    })
    using total = await sum(reads, options)
    using mean = await avg(reads, options)
    using least = await min(reads, options)
    using most = await max(reads, options)
    using sizes = await hist(reads, options)
    using equal = await lhist(reads, { ...options, min: 0, max: 1000, step: 100 })
    const theirs = watch(
      'bpftrace',
      '-f',
      'json',
      '-e',
      `tracepoint:raw_syscalls:sys_enter /pid == ${pid}/ { @calls = count(); }
      ${reads} /pid == ${pid}/ {
        @total = sum(args->ret); @mean = avg(args->ret); @least = min(args->ret); @most = max(args->ret);
        @sizes = hist(args->ret); @equal = lhist(args->ret, 0, 1000, 100);
      }
      tracepoint:syscalls:sys_enter_write /pid == ${pid}/ { @writes = count(); }
      interval:ms:200 { printf("tick\\n"); }`,
    )
    await until('bpftrace has attached', () => theirs.output().split('tick').length > 2)
    await held.run()
    const answers = new Map<string, unknown>()
    for (const line of (await theirs.stop()).split('\n').filter((line) => line.startsWith('{'))) {
      const { data } = JSON.parse(line) as { data: Record<string, unknown> }
      if (typeof data === 'object')
        for (const [name, answer] of Object.entries(data)) answers.set(name, answer)
    }
    const one = (rows: { value: number }[]): number => Math.trunc(rows[0]!.value)
    expect(one(calls.rows())).toBe(answers.get('@calls'))
    expect(one(names.rows().filter(({ key }) => `${key}`.endsWith('sys_enter_write')))).toBe(
      answers.get('@writes'),
    )
    expect([total, mean, least, most].map((answer) => one(answer.rows()))).toEqual(
      ['@total', '@mean', '@least', '@most'].map((name) => answers.get(name)),
    )
    const buckets = (name: string) =>
      (answers.get(name) as { min?: number; count: number }[])
        .filter(({ count }) => count > 0)
        .map(({ min = Number.NEGATIVE_INFINITY, count }) => [min, count])
    const own = (answer: typeof sizes) =>
      answer
        .groups()[0]!
        .buckets.filter(({ count }) => count > 0)
        .map(({ from, count }) => [from, count])
    expect(own(sizes)).toEqual(buckets('@sizes'))
    expect(own(equal)).toEqual(buckets('@equal'))
  })
})
