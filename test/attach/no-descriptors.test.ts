// A process without free descriptors gets a BpfError about what it wanted, not an error of node:fs about a file in
// /proc or /sys.
import { expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { objectPath } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'

useTracefs()

it('attaching without free descriptors fails with EMFILE in a BpfError', async () => {
  const script = `
    import { openSync } from 'node:fs'
    import { BpfObject } from 'libbpf-node'
    const object = BpfObject.open(process.argv[1])
    for (const name of ['on_call', 'on_tick', 'on_raw_tracepoint']) object.program(name).autoload = true
    object.loadSync()
    const [call, tick, raw] = ['on_call', 'on_tick', 'on_raw_tracepoint'].map((name) => object.program(name))
    const results = []
    try { for (;;) openSync('/dev/null') } catch {}
    for (const attach of [
      () => call.attachUprobe('libc.so.6', { symbol: 'malloc' }),
      () => call.attachUprobe('node', { symbol: 'main', pid: process.pid }),
      () => call.attachUprobe(process.execPath, { symbol: 'main', pid: process.pid }),
      () => tick.attachPerfEvent({ event: 'cpu-clock', period: 1e9, cpu: 0 }),
      () => tick.attachPerfEventOnCpus({ event: 'cpu-clock', period: 1e9 }),
      () => raw.attachRawTracepoint('sched_switch'),
    ]) {
      try { attach(); results.push('attached') } catch (error) { results.push(error.name + ' ' + error.code) }
    }
    console.log(JSON.stringify(results))
    process.exit()
  `
  const under = ['prlimit', '--nofile=64']
  const { stdout, stderr } = await runChild(script, [objectPath('attach-trace')], { under })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual(Array.from({ length: 6 }, () => 'BpfError EMFILE'))
})
