// Names of JavaScript functions, turned on in the process itself.
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { slowness } from '../helpers/slowness.js'

const library = fileURLToPath(new URL('../../dist/lib/symbols.js', import.meta.url))

/** The main thread and a Worker are busy in functions of their own, and are profiled by the process itself. */
const script = `
  import { Worker } from 'node:worker_threads'
  import { enableJitNames, profile } from '${library}'
  const names = enableJitNames()
  const busy = (name) => 'function ' + name + '(n) { let x = 0; for (let i = 0; i < n; i++) x = (x * 31 + i) % 1000003; return x }'
  const worker = new Worker(busy('burnInWorker') + '; setInterval(() => burnInWorker(3e6), 0)', { eval: true })
  await new Promise((resolve) => worker.on('online', resolve))
  const burnInMain = eval('(' + busy('burnInMain') + ')')
  const timer = setInterval(() => burnInMain(3e6), 5)
  const found = await profile({ pid: process.pid, hz: 499, seconds: ${2 * slowness} })
  clearInterval(timer)
  await worker.terminate()
  const isNamed = (name) => found.samples.some(({ frames }) => frames.some((frame) => frame.name?.includes(name)))
  console.log(JSON.stringify({ pid: process.pid, names, worker: isNamed('burnInWorker'), main: isNamed('burnInMain') }))
`

function run(...flags: string[]): Record<string, unknown> {
  const output = execFileSync(process.execPath, [...flags, '--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  const { pid, ...rest } = JSON.parse(output) as { pid: number }
  rmSync(`/tmp/perf-${pid}.map`, { force: true })
  return rest
}

// Node.js starts, and compiles a profiler's programs.
describe('enableJitNames', { timeout: 120_000 * slowness }, () => {
  it('names the functions of Workers that begin later, and says that the main thread has none', () => {
    expect(run()).toEqual({ names: { mainThread: false, workers: true }, worker: true, main: false })
  })

  it('says that the main thread has names if Node.js was started with the flags', () => {
    const flags = ['--perf-basic-prof', '--interpreted-frames-native-stack']
    expect(run(...flags)).toEqual({ names: { mainThread: true, workers: true }, worker: true, main: true })
  })
})
