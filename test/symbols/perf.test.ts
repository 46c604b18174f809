// Compares names with those of perf, for the same addresses of the same processes at the same time.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Symbols } from 'libbpf-node/symbols'
import { afterAll, describe, expect, it } from 'vitest'
import { isHere } from '../helpers/command.js'
import { usePrograms } from '../helpers/hot-programs.js'

const { start, startNode } = usePrograms()
const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-perf-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface PerfFrame {
  pid: number
  address: bigint
  name: string
}

/** The frames of a recording, with the addresses that perf recorded and the names that it shows. */
function framesOf(dump: string): PerfFrame[] {
  const frames: PerfFrame[] = []
  for (const sample of dump.split(/\n(?=(?:\d+ )?\d+ 0x[0-9a-f]+ \[0x)/)) {
    const [, pid] = /PERF_RECORD_SAMPLE.*?: (\d+)\/\d+: 0x/.exec(sample) ?? []
    if (pid === undefined) continue
    const addresses = [...sample.matchAll(/^\.\.\.\.\. +\d+: ([0-9a-f]{16})$/gm)]
      .map(([, digits]) => BigInt(`0x${digits}`))
      // The highest addresses are marks: what follows is of the kernel, or of the process.
      .filter((address) => address < 0xffff_ffff_ffff_f000n)
    const names = [...sample.matchAll(/^\t *[0-9a-f]+ (.*) \((?:\[[^\]]*\]|[^()]*(?: \(deleted\))?)\)$/gm)]
    // perf shows inlined functions as frames of their own.
    if (names.length !== addresses.length) continue
    for (const [i, address] of addresses.entries()) {
      frames.push({ pid: Number(pid), address, name: names[i]![1]! })
    }
  }
  return frames
}

/** perf shows C++ functions without their parameters, and glibc's functions with their version. */
const isSame = (ours: string, perfs: string): boolean =>
  ours.replace(/\s/g, '').includes(perfs.replace(/@@?[A-Z]\w*_[\d.]+$/, '').replace(/\s/g, ''))

describe('names of frames', () => {
  const title = `are those that perf shows${isHere('perf') ? '' : ' (perf is not installed)'}`
  it.skipIf(!isHere('perf'))(title, { timeout: 120_000 }, async () => {
    const script = `
      const { createHash } = require('node:crypto')
      const { readFileSync } = require('node:fs')
      function digestAgain(n) { let t = ''; for (let i = 0; i < n; i++) t += JSON.stringify({ i }); return createHash('sha1').update(t).digest('hex') }
      process.stdout.write('ready')
      setInterval(() => { for (let i = 0; i < 50; i++) { digestAgain(1000); readFileSync('/proc/self/maps') } }, 0)
    `
    const programs = [
      await start('c'),
      await start('c++'),
      await startNode(['--perf-basic-prof', '--interpreted-frames-native-stack'], script),
    ]
    // After this, V8 compiles little.
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const file = join(folder, 'perf.data')
    const pids = programs.map(({ pid }) => pid).join(',')
    const record = ['record', '-e', 'cpu-clock', '-F', '499', '-g', '-p', pids, '-o', file, 'sleep', '4']
    execFileSync('perf', record, { stdio: 'ignore' })
    const dump = execFileSync('perf', ['script', '-D', '-i', file, '-F', 'comm,pid,ip,sym,dso'], {
      encoding: 'latin1',
      maxBuffer: 1 << 29,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const frames = framesOf(dump)
    expect(frames.length).toBeGreaterThan(500)
    const symbols = new Symbols()
    const differ = programs.flatMap(({ pid }) => {
      const own = frames.filter((frame) => frame.pid === pid)
      const ours = symbols.user(
        pid,
        own.map(({ address }) => address),
      )
      const kernel = symbols.kernel(own.map(({ address }) => address))
      return own.filter(({ address, name }, i) => {
        const frame = address >> 63n === 1n ? kernel[i]! : ours[i]!
        return !isSame(frame.name ?? '[unknown]', name)
      })
    })
    const shown = differ.map(({ name, address }) => `${address.toString(16)} ${name}`)
    expect(differ.length / frames.length, shown.join('\n')).toBeLessThan(0.01)
  })
})
