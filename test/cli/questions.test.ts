import { execFileSync, spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cli, libbpfNode, root } from '../codegen/helper.js'
import { asNobody, copyForEveryone } from '../helpers/child.js'
import { usePerfEvents, useTracefs } from '../helpers/privileged.js'
import { slowness } from '../helpers/slowness.js'

describe('commands that ask the kernel a question', () => {
  useTracefs()

  it('count by a key, as JSON', async () => {
    const { stdout, status } = await libbpfNode([
      'count',
      'raw_syscalls:sys_enter',
      '--by',
      'comm,pid',
      '-s',
      '0.3',
      '--json',
    ])
    expect(status).toBe(0)
    const rows = JSON.parse(stdout) as { key: { comm: string; pid: number }; value: number }[]
    expect(rows[0]).toEqual({
      key: { comm: expect.any(String), pid: expect.any(Number) },
      value: expect.any(Number),
    })
    expect(rows[0]!.value).toBeGreaterThan(0)
  })

  it('draw histograms in a pipe once, at the end', async () => {
    const { stdout, status } = await libbpfNode([
      'hist',
      'rt:sched_switch',
      '--value',
      'args.prev.prio',
      '-s',
      '0.3',
    ])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^\[64, 128\) +\d+ \|[#█▏▎▍▌▋▊▉]+ *\|$/m)
  })

  it('measure times', async () => {
    const probes = ['t:syscalls:sys_enter_read', 't:syscalls:sys_exit_read']
    const { stdout, status } = await libbpfNode(['latency', ...probes, '-s', '0.3', '--json', '--unit', 'ns'])
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual([expect.objectContaining({ count: expect.any(Number) })])
  })

  it('print a line for each event until SIGINT', async () => {
    const child = spawn(process.execPath, [cli, 'trace', 'rt:sched_process_exec', 'comm, pid'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', (text) => {
      output += text
    })
    await new Promise((resolve) => child.stderr.once('data', resolve))
    execFileSync('/bin/true')
    await new Promise((resolve) => setTimeout(resolve, 100))
    child.kill('SIGINT')
    const status = await new Promise((resolve) => child.once('exit', resolve))
    expect(status).toBe(0)
    expect(output).toMatch(/^true, \d+$/m)
  })

  it.each([
    ['avg', 300],
    ['min', 300],
    ['max', 300],
  ])('take the %s of a number, of a program that they run', async (command, expected) => {
    const dd = 'dd if=/dev/zero of=/dev/null bs=300 count=20 status=none'
    const { stdout, status, stderr } = await libbpfNode([
      command,
      't:syscalls:sys_exit_write',
      ...['--value', 'retval', '--filter', 'retval > 0', '--by', 'comm', '-c', dd, '--json'],
    ])
    expect([status, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toEqual([{ key: 'dd', value: expected }])
  })

  it('begin anew after each interval if they are to', async () => {
    const { stdout, status } = await libbpfNode([
      'count',
      't:syscalls:sys_enter_getppid',
      ...[
        '--interval',
        '0.1',
        '--clear',
        '--json',
        '-c',
        `${process.execPath} -e 'process.ppid; setTimeout(() => {}, 600)'`,
      ],
    ])
    expect(status).toBe(0)
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown[])
    expect(answers.filter((rows) => rows.length > 0)).toEqual([[{ value: expect.any(Number) }]])
    expect(answers.length).toBeGreaterThan(2)
  })

  it('draw a column for each interval', async () => {
    const { stdout, status } = await libbpfNode([
      'hist',
      'rt:sched_switch',
      ...['--value', 'args.next.prio', '--heat-map'],
      ...['-i', String(0.1 * slowness), '-s', String(0.7 * slowness)],
    ])
    expect(status).toBe(0)
    const [, cells = ''] = /^ *\[64, 128\) \|([ ░▒▓█.:=+*#%@-]+)\|$/m.exec(stdout) ?? []
    expect(cells.length).toBeGreaterThan(2)
    expect(stdout.match(/\[64, 128\)/g)).toHaveLength(1)
  })

  it('show the control characters in names instead of obeying them', async () => {
    const script = String.raw`require('fs').writeFileSync('/proc/self/comm', 'a\x1b[2Jb'); process.kill(process.pid, 0)`
    const { stdout } = await libbpfNode([
      'count',
      't:syscalls:sys_enter_kill',
      ...['--by', 'comm', '-c', `${process.execPath} -e "${script}"`],
    ])
    expect(stdout).toContain('a\\x1b[2Jb')
  })

  it('evaluate a line with several tables', async () => {
    const line = `session({ runs: counter(), seen: table() }, [['iter:task', (r, { runs, seen }) => {
      runs.add(r.args.task.comm)
      seen.set(r.args.task.pid, 1)
      if (r.args.task.pid === ${process.pid}) return r.args.task.pid
    }]])`
    const { stdout, status } = await libbpfNode(['run', '-e', line, '-s', '0.3'])
    expect(status).toBe(0)
    expect(stdout).toMatch(new RegExp(`^${process.pid}\nruns:\n *\\d+ \\S+ .*\n`))
    expect(stdout).toMatch(new RegExp(`\n\nseen:\n(.*\n)*${process.pid}: 1\n`))
  })

  it('evaluate a line', async () => {
    const line = "sum('raw_syscalls:sys_exit', { value: (r) => 2, by: 'pid' })"
    const { stdout, status } = await libbpfNode(['run', '-e', line, '-s', '0.3', '--json'])
    expect(status).toBe(0)
    for (const { value } of JSON.parse(stdout) as { value: number }[]) expect(value % 2).toBe(0)
  })

  it.each([
    [['count'], 'PROBE missing'],
    [['count', 'rt:sched_switch', 'more'], "unexpected argument 'more'"],
    [['count', 'rt:sched_switch', '-s', 'x'], '--seconds x: expected a number of at least 0'],
    [['sum', 'rt:sched_switch'], '--value missing'],
    [['hist', 'rt:sched_switch', '--value', 'cpu', '--min', '1'], '--min and --max need --step'],
    [['latency', 'rt:sched_switch'], 'BEGIN or END missing'],
    [['latency', 'rt:sched_switch', 'rt:sched_switch', '--unit', 'h'], "unknown unit 'h'"],
    [['run'], '-e missing'],
    [['count', 'begin', '--clear'], '--clear needs --interval'],
    [['count', 'begin', '-p', '1', '-c', 'true'], '--pid and --command cannot be used together'],
    [['hist', 'begin', '--value', '1', '--heat-map', '--json'], '--heat-map cannot be used with --json'],
    [['stacks', 'begin', '--kernel', '--user'], '--kernel and --user cannot be used together'],
    [['avg', 'begin'], '--value missing'],
    [['count', 'begin', '--secnds', '1'], "unknown option '--secnds'; did you mean '--seconds'?"],
    [['count', 'begin', '--max-keys', '1.5'], '--max-keys 1.5: expected a whole number up to'],
  ])('refuse %j', async (args, message) => {
    const { status, stderr } = await libbpfNode(args)
    expect(status).toBe(2)
    expect(stderr).toContain(message)
  })

  it.each([
    [['run', '-e', '1 +'], 'Unexpected token'],
    [['run', '-e', '1'], 'the line has to end with a call of a question'],
    [['run', '-e', 'counts(1)'], "counts is not defined; did you mean 'count'"],
    [['count', 'uprobe:libc:malloc'], 'libraries are named as in libc.so.6'],
    [['count', 'rt:sched_swich'], "this kernel has no tracepoint 'sched_swich'"],
    [['count', 'software:fault:1'], "'software:fault:1' is no counter; did you mean 'faults'?"],
    [['count', 'software:faults:x'], 'after the counter comes how many events make a hit'],
  ])('fail at %j', async (args, message) => {
    const { status, stderr } = await libbpfNode(args)
    expect(status).toBe(1)
    expect(stderr).toContain(message)
  })
})

describe('commands that ask the kernel a question, without what they need', () => {
  useTracefs()
  usePerfEvents()

  const asked: [string, ...string[]][] = [
    ['trace', 'raw_syscalls:sys_enter'],
    ['count', 'raw_syscalls:sys_enter'],
    ['sum', 'rt:sched_switch', '--value', '1'],
    ['hist', 'rt:sched_switch', '--value', '1'],
    ['latency', 'begin', 'end'],
    ['stacks', 'profile:hz:99'],
    ['run', '-e', "count('rt:sched_switch')"],
    ...[
      'execsnoop',
      'opensnoop',
      'tcpconnect',
      'tcplife',
      'tcpretrans',
      'runqlat',
      'biolatency',
      'filelife',
    ].map((name): [string, string] => ['tool', name]),
    ...['syscount', 'oomkill', 'capable', 'nodegc'].map((name): [string, string] => ['tool', name]),
    ['tool', 'sslsniff', process.execPath],
    ['tool', 'funclatency', 'libc.so.6:malloc'],
  ]
  /** Runs a command of a copy of the package, which everybody can read. */
  const runUnder = async (under: readonly string[], path: string, args: readonly string[]) => {
    const [command = '', ...rest] = [...under, process.execPath, `${path}/dist/lib/cli/main.js`, ...args]
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (text) => (stdout += text))
    child.stderr.on('data', (text) => (stderr += text))
    const status = await new Promise((resolve) => child.on('close', resolve))
    return { status, stdout, stderr }
  }

  let copy: ReturnType<typeof copyForEveryone>
  beforeAll(() => {
    copy = copyForEveryone('node_modules/@babel/parser')
  })
  afterAll(() => copy[Symbol.dispose]())

  it.each(asked)('name the capabilities that are missing, and how to get them: %s %s', async (...args) => {
    const { status, stderr } = await runUnder(asNobody(), copy.path, args)
    expect(stderr).toMatch(
      /^libbpf-node \w+: tracing is not permitted: the process lacks CAP_BPF, CAP_PERFMON and CAP_DAC_READ_SEARCH\. .*--ambient-caps=\+bpf,\+perfmon,\+dac_read_search COMMAND'\n$/,
    )
    expect(status).toBe(1)
  })

  it('work with these capabilities', async () => {
    const capabilities = asNobody('CAP_BPF', 'CAP_PERFMON', 'CAP_DAC_READ_SEARCH')
    for (const args of [
      ['count', 'raw_syscalls:sys_enter'],
      ['count', 't:syscalls:sys_enter_openat'],
      ['tool', 'syscount'],
    ]) {
      const { status, stdout, stderr } = await runUnder(capabilities, copy.path, [
        ...args,
        '-s',
        '0.2',
        '--json',
      ])
      expect([args, status, stderr]).toEqual([args, 0, ''])
      expect(JSON.parse(stdout).length).toBeGreaterThan(0)
    }
  })

  it('say that the kernel has no BTF', async () => {
    const hidden = [
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount -t tmpfs none /sys/kernel/btf && exec "$@"',
      'sh',
    ]
    for (const args of [
      ['count', 'rt:sched_switch'],
      ['tool', 'capable'],
    ]) {
      const { status, stderr } = await runUnder(hidden, root, args)
      expect(stderr).toMatch(
        /^libbpf-node \w+: this kernel has no BTF, .*CONFIG_DEBUG_INFO_BTF, and \/sys\n$/,
      )
      expect(status).toBe(1)
    }
  })
})
