import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { cli, libbpfNode, useFolder } from '../codegen/helper.js'
import { usePrograms } from '../helpers/hot-programs.js'
import { slowness } from '../helpers/slowness.js'

const { start } = usePrograms()
const folder = useFolder()
const seconds = String(slowness)

describe('libbpf-node profile', () => {
  it('prints the hottest functions first', async () => {
    const { pid } = await start('c')
    const args = ['profile', '--pid', String(pid), '--hz', '499', '--seconds', seconds]
    const { status, stdout } = await libbpfNode(args)
    expect(status).toBe(0)
    const [head, first = ''] = stdout.split('\n')
    expect(head).toMatch(/^ *OWN +WITH CALLS +FUNCTION$/)
    expect(first).toMatch(/^ *\d+\.\d % .* \d+\.\d % +hot_c \(c\)$/)
  })

  it('writes files in every format', async () => {
    const { pid } = await start('c')
    const files = { folded: 'a.folded', pprof: 'a.pb.gz', speedscope: 'a.json', html: 'a.html' }
    const options = Object.entries(files).flatMap(([name, file]) => [`--${name}`, join(folder, file)])
    const args = ['profile', '-p', String(pid), '--hz', '499', '-s', seconds, ...options]
    const { status, stdout, stderr } = await libbpfNode(args)
    expect(stderr).toBe(`profiling process ${pid} for ${seconds} s\n`)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    const [folded, pprof, speedscope, html] = Object.values(files).map((file) =>
      readFileSync(join(folder, file)),
    )
    expect(String(folded)).toMatch(/;hot_c \d+$/m)
    expect(String(gunzipSync(pprof!))).toContain('hot_c')
    expect(JSON.parse(String(speedscope)).shared.frames).toContainEqual(
      expect.objectContaining({ name: 'hot_c' }),
    )
    expect(String(html)).toMatch(/^<!doctype html>.*"hot_c"/s)
  })

  it('ends with what it has on SIGINT', async () => {
    const { pid } = await start('c')
    const args = [cli, 'profile', '-p', String(pid), '--hz', '499', '-s', '3600', '--json']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    const ended = new Promise((resolve) => child.on('close', resolve))
    // It says that it begins, and then takes samples.
    child.stderr.once('data', () => setTimeout(() => child.kill('SIGINT'), 2000 * slowness))
    expect(await ended).toBe(0)
    const { kind, functions } = JSON.parse(output)
    expect(kind).toBe('cpu')
    expect(functions[0]).toMatchObject({ name: 'hot_c' })
  })

  it('says that there was nothing to see', async () => {
    const args = ['profile', '--pid', '4194304', '--seconds', '0.2']
    const { status, stderr } = await libbpfNode(args)
    expect(status).toBe(1)
    expect(stderr).toContain('there were no samples: nothing that is being profiled ran')
  })

  it.each([
    ['--hz 0', /--hz 0: expected a number up to 10000/],
    ['--pid x', /--pid x: expected/],
    ['--seconds -1', /seconds/],
    ['--no-kernel --no-user', /cannot be used together/],
    ['--html - --folded -', /only one file can be -/],
    ['more', /unexpected argument 'more'/],
  ])('refuses %s', async (words, message) => {
    const { status, stderr } = await libbpfNode(['profile', ...words.split(' ')])
    expect(status).toBe(2)
    expect(stderr).toMatch(message)
  })
})
