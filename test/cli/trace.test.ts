import { spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { cli } from '../codegen/helper.js'
import { load } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

describe('libbpf-node trace', () => {
  useTracefs()

  it('prints the lines of bpf_printk until it is told to end', async () => {
    using object = load('events-trace')
    const { bss } = object
    bss.test = process.pid
    const child = spawn(process.execPath, [cli, 'trace', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
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
})
