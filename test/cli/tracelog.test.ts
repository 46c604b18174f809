import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cli, libbpfNode } from '../codegen/helper.js'
import { requiresKernel } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

describe('libbpf-node tracelog', () => {
  useTracefs()

  it('prints the lines of bpf_printk until SIGTERM', async () => {
    using object = load('events-trace')
    const { bss } = object
    bss.test = process.pid
    const child = spawn(process.execPath, [cli, 'tracelog', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      output += piece
    })
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      errors += piece
    })
    const ended = new Promise((resolve) => child.on('close', resolve))
    const text = `libbpf-node ${process.pid}: line `
    await until(
      'a line comes',
      () => {
        object.program('print').testRunSync({ data: new Uint8Array(64) })
        return output.includes(text)
      },
      { seconds: 20 },
    )
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    expect(errors).toBe('')
    const line = output.split('\n').find((line) => line.includes(text))
    expect(JSON.parse(line!)).toMatchObject({
      pid: expect.any(Number),
      cpu: expect.any(Number),
      text: expect.stringContaining(text),
    })
  })

  requiresKernel('6.6', 'names the process that reads the trace pipe already', async () => {
    const first = spawn('cat', ['/sys/kernel/tracing/trace_pipe'], { stdio: 'ignore' })
    try {
      await until('the other process reads', () => readlinkOf(first.pid!).includes('trace_pipe'))
      const { status, stderr } = await libbpfNode(['tracelog'])
      expect(status).toBe(1)
      expect(stderr).toContain(
        `is being read by cat(${first.pid}), and the kernel allows one reader at a time`,
      )
    } finally {
      first.kill()
      await once(first, 'close')
    }
  })
})

/** The targets of all descriptors of a process, which opens and closes some meanwhile. */
function readlinkOf(pid: number): string {
  const folder = `/proc/${pid}/fd`
  const targets = readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`)
    } catch {
      return ''
    }
  })
  return targets.join()
}
