import { execFileSync, spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { cli, libbpfNode } from '../codegen/helper.js'
import { useTracefs } from '../helpers/privileged.js'

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
    expect(stdout).toMatch(/^\[64, 128\) +\d+ \|█+ *\|$/m)
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
  ])('refuse %j', async (args, message) => {
    const { status, stderr } = await libbpfNode(args)
    expect(status).toBe(2)
    expect(stderr).toContain(message)
  })

  it.each([
    [['run', '-e', '1 +'], 'Unexpected token'],
    [['run', '-e', '1'], 'the line has to end in a question'],
    [['count', 'rt:sched_swich'], "this kernel has no tracepoint 'sched_swich'"],
  ])('fail at %j', async (args, message) => {
    const { status, stderr } = await libbpfNode(args)
    expect(status).toBe(1)
    expect(stderr).toContain(message)
  })
})
