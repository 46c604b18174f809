// The tools compared with those of libbpf-tools, and questions with bpftrace, while the same happens.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { avg, count, hist, lhist, max, min, sum } from 'libbpf-node/trace'
import { describe, expect, it } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'
import { usePerfEvents, useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import {
  attached,
  comparesWith,
  Held,
  holdsLink,
  ours,
  run,
  useChildren,
  type Watcher,
  watch,
} from './counterparts.js'
import { talkOverTls } from './talk.js'

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

const total = (text: string, line: RegExp): number =>
  [...text.matchAll(line)].reduce((sum, [, number]) => sum + Number(number), 0)

/** The numbers in the histograms of both. */
const [ownBuckets, theirBuckets] = [/^\[.*[\])] +(\d+) \|/gm, /-> \d+ +: (\d+) /g]

/** What was printed last, which begins with the unit. */
const lastAnswer = (text: string): string => text.slice(Math.max(text.lastIndexOf('(us)'), 0))

/** A disk that is a file. */
function useDisk(): { device: string; close(): void } {
  const file = join(tmpdir(), `libbpf-node-disk-${process.pid}`)
  writeFileSync(file, new Uint8Array(1 << 20))
  // It may be built in.
  spawnSync('modprobe', ['loop'])
  const device = run('losetup', '--show', '-f', file).trim()
  return {
    device,
    close() {
      run('losetup', '-d', device)
      rmSync(file)
    },
  }
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
    const here = total(lastAnswer(answer), ownBuckets)
    expect(here).toBeGreaterThanOrEqual(200)
    // What was waiting when one of them attached is not known to the other one.
    expect(Math.abs(here - total(table, theirBuckets))).toBeLessThan(here / 20 + 5)
  })

  comparesWith('biolatency', 'biolatency sees as many requests', async () => {
    const disk = useDisk()
    try {
      const own = ours('tool', 'biolatency', '--interval', '0.2')
      const theirs = watch('/usr/sbin/biolatency')
      await until('both have attached', () => own.output() !== '' && /Tracing/.test(theirs.output()))
      run('dd', 'if=/dev/zero', `of=${disk.device}`, 'bs=4k', 'count=200', 'oflag=direct', 'status=none')
      await until('all were counted', () => total(lastAnswer(own.output()), ownBuckets) >= 200)
      const [answer, table] = [await own.stop(), await theirs.stop()]
      const here = total(lastAnswer(answer), ownBuckets)
      expect(here).toBeGreaterThanOrEqual(200)
      // Other disks work, too, while one of them has attached and the other one has not.
      expect(Math.abs(here - total(table, theirBuckets))).toBeLessThan(here / 20 + 5)
    } finally {
      disk.close()
    }
  })

  comparesWith('funclatency', 'funclatency counts as many calls of a library', async () => {
    const held = await Held.start("perl -e 'getppid for 1..500'")
    const own = ours(
      'tool',
      'funclatency',
      'libc.so.6:getppid',
      '--pid',
      String(held.pid),
      '--interval',
      '0.2',
    )
    const theirs = watch('/usr/sbin/funclatency', '-p', String(held.pid), 'c:getppid')
    await until('both have attached', () => own.output() !== '' && /Tracing/.test(theirs.output()))
    await held.run()
    await until('all were counted', () => total(lastAnswer(own.output()), ownBuckets) === 500)
    expect(total(await theirs.stop(), theirBuckets)).toBe(500)
  })

  comparesWith('offcputime', 'offcputime has the same stacks, and as much time', async () => {
    const held = await Held.start("perl -e 'select undef, undef, undef, 0.02 for 1..20'")
    const own = ours('profile', '--off-cpu', '--pid', String(held.pid), '--seconds', '60', '--folded', '-')
    const theirs = watch('/usr/sbin/offcputime', '-p', String(held.pid))
    await Promise.all([holdsLink(own), holdsLink(theirs)])
    await held.run()
    const [answer, table] = [await own.stop(), await theirs.stop()]
    // The shell that becomes perl waits, too.
    const waits = table
      .split(/\n{2,}/)
      .find((block) => / perl \(\d+\)/.test(block) && block.includes('select'))!
    // In both, our program and what calls it come first; only we leave them out.
    const [, names = '', microseconds] = waits.match(/^ +__schedule\n([\s\S]*)^ +- +perl .*\n +(\d+)/m)!
    const stack = ['__schedule', ...names.trim().split(/\s+/)].reverse().join(';')
    const here = answer
      .split('\n')
      .filter((line) => line.startsWith('perl;') && line.includes(`;${stack} `))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))) / 1000, 0)
    expect(here).toBeGreaterThan(400_000)
    expect(Math.abs(here - Number(microseconds))).toBeLessThan(here / 20)
  })

  const comparesKprobes = (program: string, name: string, test: () => Promise<void>): void => {
    if (hasKprobes) comparesWith(program, name, test)
    else it.skip(`${name} (a kernel with CONFIG_KPROBES)`, test)
  }

  // The kernel passes other arguments to the functions that this one looks at since 6.3.
  const filelife = async (): Promise<void> => {
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
  }
  if (kernelIs('6.3'))
    it.skip('filelife sees the same files (that of libbpf-tools 0.26 sees none since Linux 6.3)', filelife)
  else comparesKprobes('filelife', 'filelife sees the same files', filelife)

  comparesKprobes('capable', 'capable sees the same checks', async () => {
    const both = [ours('tool', 'capable'), watch('/usr/sbin/capable')]
    const ask = (): string => run('/bin/sh', '-c', 'echo $$; exec /usr/sbin/chroot / /bin/true').trim()
    await attached(ask, 'chroot', ...both)
    const processes = Array.from({ length: 10 }, ask)
    const checks = (one: Watcher, pid: string) =>
      rowsWith(one, ' chroot ').filter((row) => row.includes(pid) && row.includes('CAP_SYS_CHROOT')).length
    for (const one of both) await until('all were seen', () => processes.every((pid) => checks(one, pid) > 0))
    const [own, theirs] = both.map((one) => processes.map((pid) => checks(one, pid)))
    expect(own).toEqual(theirs)
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

  comparesKprobes('funclatency', 'funclatency counts as many calls of the kernel', async () => {
    const held = await Held.start('dd if=/dev/zero of=/dev/null bs=300 count=500')
    const own = ours('tool', 'funclatency', 'vfs_read', '--pid', String(held.pid), '--interval', '0.2')
    const theirs = watch('/usr/sbin/funclatency', '-p', String(held.pid), 'vfs_read')
    await until('both have attached', () => own.output() !== '' && /Tracing/.test(theirs.output()))
    await held.run()
    await until('all were counted', () => total(lastAnswer(own.output()), ownBuckets) >= 500)
    const here = total(lastAnswer(await own.stop()), ownBuckets)
    expect(total(await theirs.stop(), theirBuckets)).toBe(here)
  })

  comparesKprobes('oomkill', 'oomkill sees the same process', async () => {
    const group = '/sys/fs/cgroup/libbpf-node-oom'
    writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', '+memory')
    mkdirSync(group)
    writeFileSync(`${group}/memory.max`, String(20 << 20))
    const own = ours('tool', 'oomkill')
    const theirs = watch('/usr/sbin/oomkill')
    await until('both have attached', () => own.output() !== '' && theirs.output() !== '')
    run('/bin/sh', '-c', `echo $$ >${group}/cgroup.procs; perl -e '$x = "x" x 1e8' || true`)
    await until('both have seen it', () => [own, theirs].every((one) => one.output().includes('perl')))
    rmdirSync(group)
    const [, wantedBy, victim] = /Triggered by PID (\d+) \("perl"\), OOM kill of PID (\d+) \("perl"\)/.exec(
      theirs.output(),
    )!
    expect(rowsWith(own, 'perl')).toEqual([[victim, 'perl', wantedBy, 'perl']])
  })

  comparesKprobes('tcpretrans.bt', 'tcpretrans sees the same segments', async () => {
    const network = ['link', 'add', 'lost0', 'type', 'dummy']
    run('ip', ...network)
    try {
      run('ip', 'addr', 'add', '10.99.0.1/24', 'dev', 'lost0')
      run('ip', 'link', 'set', 'lost0', 'up')
      const own = ours('tool', 'tcpretrans')
      const theirs = watch('/usr/sbin/tcpretrans.bt')
      await until('both have attached', () => own.output() !== '' && /STATE/.test(theirs.output()), {
        seconds: 30,
      })
      // What is sent to a dummy interface gets lost.
      const socket = createConnection(9, '10.99.0.2')
      await until('both have seen it', () =>
        [own, theirs].every((one) => rowsWith(one, 'SYN_SENT').length >= 2),
      )
      socket.destroy()
      // FROM PORT TO PORT STATE here, and TIME PID LADDR:LPORT RADDR:RPORT STATE there.
      const [here, there] = [own, theirs].map((one) => rowsWith(one, 'SYN_SENT').slice(0, 2))
      expect(here!.map(([from, own, to, port, state]) => [`${from}:${own}`, `${to}:${port}`, state])).toEqual(
        there!.map((row) => row.slice(2)),
      )
    } finally {
      run('ip', 'link', 'del', 'lost0')
    }
  })
})

describe('questions and those of bpftrace', () => {
  useTracefs()
  usePerfEvents()
  useChildren()

  comparesWith('bpftrace', 'find as many samples of a process', async () => {
    const held = await Held.start("perl -e 'while ((times)[0] < 2) { $i++ for 1..1e5 }'")
    const own = ours('profile', '--pid', String(held.pid), '--seconds', '60', '--json')
    const theirs = watch(
      'bpftrace',
      '-e',
      `profile:hz:99 /pid == ${held.pid}/ { @ = count(); } BEGIN { printf("attached\\n"); }`,
    )
    await Promise.all([holdsLink(own), until('it has attached', () => /attached/.test(theirs.output()))])
    await held.run()
    const [profile, answer] = [await own.stop(), await theirs.stop()]
    const { total } = JSON.parse(profile) as { total: number }
    // Two seconds on a CPU.
    expect(total).toBeGreaterThan(180)
    // Both take samples at times of their own: four standard deviations of the difference.
    expect(Math.abs(total - Number(/^@: (\d+)$/m.exec(answer)![1]))).toBeLessThan(4 * Math.sqrt(2 * total))
  })

  comparesWith('bpftrace', 'sslsniff shows the same text', async () => {
    const program = realpathSync(process.execPath)
    const own = ours('tool', 'sslsniff', program)
    const theirs = watch(
      'bpftrace',
      '-e',
      `uprobe:"${program}":SSL_write { printf("%d sent %d %s\\n", pid, arg2, str(arg1, arg2)); }
      uprobe:"${program}":SSL_read { @buffer[tid] = arg1; }
      uretprobe:"${program}":SSL_read /@buffer[tid] && (int32)retval > 0/ {
        printf("%d received %d %s\\n", pid, retval, str(@buffer[tid], retval)); delete(@buffer[tid]);
      }
      BEGIN { printf("attached\\n"); }`,
    )
    await until('both have attached', () => own.output() !== '' && /attached/.test(theirs.output()))
    run(process.execPath, '-e', talkOverTls)
    const seen = (one: Watcher) => one.lines().filter((line) => /a secret|the answer/.test(line))
    for (const one of [own, theirs]) await until('all was seen', () => seen(one).length === 4)
    // PID COMM sent|received BYTES "TEXT" here.
    expect(
      seen(own).map((line) => line.replace(/^(\d+) +\S+ +(\w+) +(\d+) +"(.*)"$/, '$1 $2 $3 $4')),
    ).toEqual(seen(theirs))
  })

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
