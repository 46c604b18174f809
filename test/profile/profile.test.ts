// Profiles of programs whose hot functions are known.
import { execFileSync } from 'node:child_process'
import { Agent, get } from 'node:http'
import { Profile, profile } from 'libbpf-node/symbols'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { usePrograms } from '../helpers/hot-programs.js'
import { slowness } from '../helpers/slowness.js'

const { start, startNode } = usePrograms()

/** The part of all samples that have a function with that name in their stack. */
function shareOf({ samples, total }: Profile, name: string | RegExp): number {
  const found = samples.filter(({ frames }) =>
    frames.some((frame) => (typeof name === 'string' ? frame.name === name : name.test(frame.name ?? ''))),
  )
  return found.reduce((sum, { value }) => sum + value, 0) / total
}

const seconds = 1.5 * slowness
const hz = 499

/** How V8 marks the code that an optimizer made, which depends on the version. */
const mark = "[~^+*'o]{1,3}"

describe('profile', () => {
  it('finds the hot function of a C program, and who calls it', async () => {
    const { pid } = await start('c')
    const found = await profile({ pid, hz, seconds })
    expect(found.total).toBeGreaterThan(10)
    expect(shareOf(found, 'hot_c')).toBeGreaterThan(0.8)
    expect(found.hottest()[0]).toMatchObject({ name: 'hot_c', self: expect.any(Number) })
    const stack = found.samples.find(({ frames }) => frames[0]?.name === 'hot_c')!
    expect(stack.pid).toBe(pid)
    // A function that calls nothing has no frame of its own, so the stack may lack its caller.
    const names = stack.frames.map(({ name }) => name).filter((name) => name !== 'caller_c')
    expect(names.slice(0, 3)).toEqual(['hot_c', 'outer_c', 'main'])
    expect(found.folded()).toMatch(/^c;.*main;outer_c;(caller_c;)?hot_c \d+$/m)
    expect(found.info.lost).toEqual({ samples: 0, stacks: 0 })
  })

  it('finds the hot function of a C++ program by its readable name', async () => {
    const { pid } = await start('c++')
    const found = await profile({ pid, hz, seconds })
    expect(shareOf(found, 'shop::Till<long>::count(long)')).toBeGreaterThan(0.8)
  })

  it('has lines and inlined functions if they are asked for', async () => {
    const { pid } = await start('inlined')
    const plain = await profile({ pid, hz, seconds })
    expect(plain.hottest()[0]).toMatchObject({ name: 'around' })
    const found = await profile({ pid, hz, seconds, lines: true })
    expect(found.hottest()[0]).toMatchObject({ name: 'spin' })
    expect(shareOf(found, 'spin')).toBeGreaterThan(0.8)
    const { frames } = found.samples.find((one) => one.frames[0]?.name === 'spin')!
    const source = (line: number) => ({ file: expect.stringMatching(/<stdin>$/), line })
    expect(frames.slice(0, 3)).toMatchObject([
      { name: 'spin', isInlined: true, source: source(4) },
      { name: 'spin_twice', isInlined: true, source: source(5) },
      { name: 'around', source: source(6) },
    ])
    expect(frames.every((frame) => frame.inlined === undefined)).toBe(true)
    expect(found.folded()).toMatch(/^inlined;.*main;around;spin_twice;spin \d+$/m)
  })

  it('finds the hot function of a Node.js program that runs with its flags', async () => {
    const script = `
      function burnHotly(n) { let x = 0; for (let i = 0; i < n; i++) x = (x * 31 + i) % 1000003; return x }
      process.stdout.write('ready')
      setInterval(() => { for (let i = 0; i < 20; i++) burnHotly(1e6) }, 0)
    `
    const { pid } = await startNode(['--perf-basic-prof', '--interpreted-frames-native-stack'], script)
    const found = await profile({ pid, hz, seconds })
    expect(shareOf(found, /burnHotly/)).toBeGreaterThan(0.8)
    const frame = found.samples
      .flatMap(({ frames }) => frames)
      .find(({ name }) => name?.includes('burnHotly'))
    expect(frame).toMatchObject({
      kind: 'jit',
      module: '[jit]',
      name: expect.stringMatching(new RegExp(`^JS:${mark}burnHotly `)),
    })
  })

  it('names the JavaScript of an HTTP server under load, joined with C++ and the kernel', async () => {
    const source = `
      const { createServer } = require('node:http')
      function renderPage(path) {
        let text = ''
        for (let i = 0; i < 3000; i++) text += JSON.stringify({ path, i })
        return text.length + ' ' + path
      }
      createServer(function answerRequest(request, response) { response.end(renderPage(request.url)) })
        .listen(0, '127.0.0.1', function () { process.stdout.write(String(this.address().port)) })
    `
    const server = await startNode(['--perf-basic-prof', '--interpreted-frames-native-stack'], source)
    const ports = execFileSync('sh', ['-c', `cat /proc/${server.pid}/net/tcp`], {
      encoding: 'utf8',
    })
    // The inodes of its sockets lead to the port.
    const inodes = execFileSync('sh', ['-c', `ls -l /proc/${server.pid}/fd`], { encoding: 'utf8' })
    const line = ports.split('\n').find((one) => {
      const fields = one.trim().split(/\s+/)
      return fields[3] === '0A' && inodes.includes(`socket:[${fields[9]}]`)
    })!
    const port = Number.parseInt(line.trim().split(/\s+/)[1]!.split(':')[1]!, 16)
    const stop = new AbortController()
    const agent = new Agent({ keepAlive: true, maxSockets: 4 })
    const load = Array.from({ length: 4 }, async () => {
      while (!stop.signal.aborted) {
        await new Promise<void>((resolve) => {
          get({ port, agent, path: '/page' }, (response) => response.resume().on('end', resolve)).on(
            'error',
            () => resolve(),
          )
        })
      }
    })
    const found = await profile({ pid: server.pid, hz, seconds: 2 * seconds })
    stop.abort()
    await Promise.all(load)
    agent.destroy()
    // Other threads compile and collect garbage.
    const ofScript = found.samples.filter(({ frames }) =>
      frames.some(({ name }) => name === 'Builtins_JSEntry'),
    )
    const script = new Profile(ofScript, found.info)
    expect(script.total).toBeGreaterThan(3)
    expect(shareOf(script, /^JS:./)).toBeGreaterThan(0.9)
    expect(shareOf(script, new RegExp(`^JS:${mark}(answerRequest|renderPage) `))).toBeGreaterThan(0.3)
    const joined = found.samples.find(({ frames }) => {
      const has = (kind: string) => frames.some((frame) => frame.kind === kind)
      return has('jit') && has('file') && has('kernel')
    })
    expect(joined).toBeDefined()
  })

  it('measures where threads wait, and for how long', async () => {
    const { pid } = await start('waiting')
    const found = await profile({ pid, kind: 'off-cpu', seconds })
    // Most of the time, less what it was kept from running.
    expect(found.total / 1e9).toBeGreaterThan(0.5 * seconds)
    expect(found.total / 1e9).toBeLessThan(1.5 * found.info.seconds)
    expect(shareOf(found, 'wait_here')).toBeGreaterThan(0.8)
    expect(shareOf(found, /nanosleep/)).toBeGreaterThan(0.8)
    expect(found.samples.every(({ frames }) => frames[0]?.kind !== 'bpf')).toBe(true)
  })

  it('sees all processes, also those that end before it does', async () => {
    const profiling = profile({ hz, seconds: 2 * seconds })
    const busy = `const end = Date.now() + ${700 * slowness}; while (Date.now() < end) Math.sqrt(end)`
    const { status } = await runChild(`process.title = 'short-lived'; ${busy}`)
    expect(status).toBe(0)
    const { samples } = await profiling
    const own = samples.filter(({ comm }) => comm === 'short-lived')
    expect(own.length).toBeGreaterThan(0)
    const frames = own.flatMap((sample) => sample.frames)
    expect(frames.some(({ kind, module }) => kind === 'file' && module === process.execPath)).toBe(true)
  })

  it('leaves out the kernel or the process', async () => {
    const { pid } = await start('c')
    const user = await profile({ pid, hz, seconds: 0.5 * slowness, kernel: false })
    expect(user.samples.flatMap(({ frames }) => frames).every(({ kind }) => kind !== 'kernel')).toBe(true)
    const kernel = await profile({ pid, hz, seconds: 0.5 * slowness, user: false })
    expect(kernel.samples.flatMap(({ frames }) => frames).every(({ kind }) => kind !== 'file')).toBe(true)
  })

  it('ends early with what it has', async () => {
    const { pid } = await start('c')
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 700 * slowness)
    const found = await profile({ pid, hz, seconds: 3600, signal: stop.signal })
    expect(found.total).toBeGreaterThan(0)
    expect(found.info.seconds).toBeLessThan(600)
  })

  it.each([
    [{ pid: 0 }, TypeError],
    [{ pid: 1.5 }, TypeError],
    [{ hz: 0 }, RangeError],
    [{ hz: 20_000 }, RangeError],
    [{ seconds: -1 }, RangeError],
    [{ seconds: Number.NaN }, RangeError],
    [{ kernel: false, user: false }, TypeError],
    [{ kind: 'gpu' as 'cpu' }, TypeError],
  ])('refuses %j', async (options, kind) => {
    await expect(profile(options)).rejects.toThrow(kind)
  })
})
