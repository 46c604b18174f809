import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import { talkAsOpenssl, talkOverTls } from './talk.js'

const main = 'dist/lib/cli/main.js'
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** Starts a tool that prints events, and waits until it has printed its head, which is after it has attached. */
async function start(...args: string[]): Promise<{ lines: () => string[]; stop: () => Promise<string> }> {
  const child = spawn(process.execPath, [main, 'tool', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let [text, errors] = ['', '']
  child.stdout.on('data', (data) => (text += data))
  child.stderr.on('data', (data) => (errors += data))
  await until('the tool has printed its head', () => {
    if (child.exitCode !== null) throw new Error(errors)
    return text.includes('\n')
  })
  const stop = async (): Promise<string> => {
    child.kill('SIGINT')
    await once(child, 'exit')
    return text
  }
  return { lines: () => text.split('\n'), stop }
}

const seen = async (lines: () => string[], line: RegExp) => {
  await until(`there is ${line}`, () => lines().some((one) => line.test(one)))
}

/** Runs a tool that has one answer for a second. */
const answer = (...args: string[]): string =>
  execFileSync(process.execPath, [main, 'tool', ...args, '--seconds', '1'], { encoding: 'utf8' })

async function connect(): Promise<number> {
  const server = createServer((socket) => socket.end('x')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const socket = createConnection(port, '127.0.0.1')
  socket.resume()
  await once(socket, 'close')
  server.close()
  return port
}

async function connectAndReset(): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const accepted = once(server, 'connection')
  const socket = createConnection(port, '127.0.0.1')
  await new Promise((resolve) => socket.write('x', resolve))
  await accepted
  socket.resetAndDestroy()
  server.close()
  return port
}

describe('tools', () => {
  useTracefs()

  it('execsnoop reports programs with their arguments', async () => {
    const { lines } = await start('execsnoop')
    execFileSync('/bin/echo', ['a b', 'it-is-me'])
    await seen(lines, /echo +\/bin\/echo "a b" it-is-me$/)
  })

  it('opensnoop reports files, and why they could not be opened', async () => {
    const path = join(tmpdir(), 'libbpf-node-opensnoop')
    writeFileSync(path, '')
    const { lines } = await start('opensnoop', '--pid', String(process.pid))
    readFileSync(path)
    expect(() => readFileSync('/nowhere/at/all')).toThrow()
    await seen(lines, new RegExp(` \\d+ +${path}$`))
    await seen(lines, / -1 +ENOENT +\/nowhere\/at\/all$/)
    rmSync(path)
  })

  it('syscount names system calls', () => {
    expect(answer('syscount')).toMatch(/^ *\d+ [#█▏▎▍▌▋▊▉ ]+ (read|openat|futex|epoll_wait|epoll_pwait)$/m)
    const rows = JSON.parse(answer('syscount', '--each', '--json')) as { key: string; value: number }[]
    // The main thread is called node-MainThread since Node.js 26.
    expect(rows.some(({ key, value }) => key.startsWith('node') && value > 0)).toBe(true)
  })

  requiresKernel('5.14', 'runqlat has the time that threads wait', () => {
    expect(answer('runqlat')).toMatch(/^\(us\)\n(\[.*[\])] +\d+ \|.*\|\n)+/)
    const each = answer('runqlat', '--each')
    expect(each).toMatch(/^\S.* \(us\)\n\[/)
    // The idle threads wait for nothing.
    expect(each).not.toMatch(/^swapper/m)
  })

  it('biolatency starts on every kernel', () => {
    expect(answer('biolatency')).toMatch(/^(\(us\)|nothing yet)/)
  })

  it('tcpconnect and tcplife report connections', async () => {
    const [connects, lives] = [await start('tcpconnect'), await start('tcplife')]
    const port = await connect()
    await seen(connects.lines, new RegExp(`${process.pid} .* 4 +127\\.0\\.0\\.1 +127\\.0\\.0\\.1 +${port}$`))
    await seen(
      lives.lines,
      // The side of the server has sent one byte, and the end of a connection counts as one.
      new RegExp(`${process.pid} .*127\\.0\\.0\\.1 +${port} +127\\.0\\.0\\.1 +\\d+ +2 +1 +\\d+\\.\\d\\d$`),
    )
    const resets = await connectAndReset()
    await seen(
      lives.lines,
      new RegExp(`^${process.pid} .* 127\\.0\\.0\\.1 +${resets} +\\d+ +0 +\\d+\\.\\d\\d$`),
    )
    // Nothing has closed the side of the server but the network, while any process ran.
    await seen(lives.lines, new RegExp(`^- +- +127\\.0\\.0\\.1 +${resets} .* 0 +1 +\\d+\\.\\d\\d$`))
  })

  it.each(['tcpretrans', 'oomkill', 'capable'])('%s attaches', async (name) => {
    const { stop } = await start(name)
    expect(await stop()).toMatch(/^(FROM|KILLED|PID) /)
  })

  it('funclatency measures functions of libraries', () => {
    expect(answer('funclatency', 'libc.so.6:getenv')).toMatch(/^(\(us\)|nothing yet)/)
  })

  requiresKernel(
    '6.6',
    'nodegc reports collections, and rounds of the event loop that take long',
    async () => {
      const { lines } = await start('nodegc', process.execPath)
      const script = `let a = []
      const busy = () => { for (let i = 0; i < 1_000_000; i++) a.push({ i }) }
      setTimeout(() => { busy(); setTimeout(() => setTimeout(() => {}, 60000)) }, 20)`
      const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' })
      children.push(child)
      await seen(lines, new RegExp(`^${child.pid} +\\d+\\.\\d\\d +young objects`))
      await seen(
        lines,
        new RegExp(`^${child.pid} +\\d{2,}\\.\\d\\d +event loop, \\d+\\.\\d\\d ms of it garbage collection$`),
      )
    },
  )

  it('sslsniff shows what is sent and received', async () => {
    const { lines } = await start('sslsniff', process.execPath)
    execFileSync(process.execPath, ['-e', talkOverTls])
    await seen(lines, /node\S* +sent +8 +"a secret"/)
    await seen(lines, /node\S* +received +10 +"the answer"/)
  })

  it('sslsniff shows what all functions have sent and received, and nothing that has failed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-sslsniff-'))
    const program = join(folder, 'talk')
    execFileSync('cc', ['-o', program, '-x', 'c', '-'], { input: talkAsOpenssl })
    const { lines, stop } = await start('sslsniff', program)
    execFileSync(program)
    await seen(lines, /received/)
    const seenLines = (await stop()).split('\n').slice(1, -1)
    rmSync(folder, { recursive: true })
    expect(seenLines.map((line) => line.replace(/^\d+ +/, '').replaceAll(/ +/g, ' '))).toEqual([
      'talk sent 4 "at l"',
      'talk received 3 "yes"',
      'talk sent 5 "all o"',
      'talk received 2 "no"',
    ])
  })

  requiresFeature('kprobes', 'filelife reports files that are deleted', async () => {
    const { lines } = await start('filelife')
    const path = join(tmpdir(), 'libbpf-node-life')
    writeFileSync(path, '')
    rmSync(path)
    await seen(lines, / \d+\.\d\d +libbpf-node-life$/)
  })

  requiresFeature('kprobes', 'funclatency measures functions of the kernel', () => {
    expect(answer('funclatency', 'vfs_read', '--each')).toMatch(/ \(us\)\n\[/)
  })

  it('sslsniff refuses a program without OpenSSL', () => {
    expect(() =>
      execFileSync(process.execPath, [main, 'tool', 'sslsniff', '/bin/true'], { stdio: 'pipe' }),
    ).toThrow(/SSL_write/)
  })
})
