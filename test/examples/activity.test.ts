import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('../../dist/examples/activity/activity.js', import.meta.url))

interface Line {
  kind: string
  pid?: number
  comm?: string
  filename?: string
  parent?: { pid: number; comm: string }
  exitCode?: number
  path?: string
  flags?: string[]
  error?: string
  address?: string
  port?: number
  connected?: boolean
  signal?: string | null
  lost?: number
}

/** Runs the example with --json, and calls `meanwhile` once it is tracing. */
async function trace(
  args: string[],
  meanwhile: () => void,
): Promise<{ status: number | null; lines: Line[] }> {
  const child = spawn(process.execPath, [program, '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  let began = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    if (began || !stderr.includes('tracing')) return
    began = true
    meanwhile()
  })
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const lines = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
  if (status !== 0) throw new Error(`activity exited with ${status}: ${stderr}`)
  return { status, lines }
}

/** Opens files and makes connections, in a process of its own. */
const worker = `
  const { connect } = require('node:net')
  const { openSync } = require('node:fs')
  openSync('/tmp', 'r')
  try { openSync('/nowhere/at/all', 'w') } catch {}
  const [open, closed] = process.argv.slice(1).map(Number)
  const places = [['127.0.0.1', open], ['::1', open], ['127.0.0.1', closed]]
  for (const [host, port] of places) connect({ host, port }).on('error', () => {}).on('connect', function () { this.end() })
`

/** What a side records of the same work, without what differs from run to run. */
async function recorded(args: string[]): Promise<unknown[]> {
  const server = createServer((socket) => socket.end().resume())
  await new Promise<void>((resolve) => server.listen(0, '::', resolve))
  const port = (server.address() as { port: number }).port
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const closed = (other.address() as { port: number }).port
  other.close()
  let pid: number | undefined
  const { lines } = await trace([...args, '--seconds', '3'], () => {
    const script = `${process.execPath} -e "$1" ${port} ${closed}; /bin/false; exec sh -c 'kill -9 $$'`
    pid = spawn('sh', ['-c', script, 'sh', worker], { stdio: 'ignore' }).pid
  })
  server.close()
  const own = lines.filter((line) => line.pid === pid || line.parent?.pid === pid)
  const isOfTheWork = ({ kind, path }: Line) =>
    kind !== 'open' || path === '/tmp' || path === '/nowhere/at/all'
  const kept = own
    .filter(isOfTheWork)
    .map(({ kind, comm, filename, exitCode, signal, path, flags, ...line }) => {
      const { error, address, connected } = line
      const where = line.port === port ? 'open' : line.port === closed ? 'closed' : undefined
      const parent = line.parent?.comm
      return { kind, comm, parent, filename, exitCode, signal, path, flags, error, address, connected, where }
    })
  expect(lines.at(-1)).toMatchObject({ kind: 'summary', lost: 0 })
  return kept.map((event) => JSON.stringify(event)).sort()
}

describe('examples/activity, in C and in TypeScript', () => {
  it('records the same events of the same work', async () => {
    const [c, typeScript] = [await recorded([]), await recorded(['--ts'])]
    expect(typeScript).toEqual(c)
    const text = c.join('\n')
    for (const part of ['"::1"', '"127.0.0.1"', 'ECONNREFUSED', 'ENOENT', 'SIGKILL', '/bin/false'])
      expect(text).toContain(part)
  }, 30_000)
})

describe.each([
  ['C', []],
  ['TypeScript', ['--ts']],
])('examples/activity with its kernel side in %s', (_, side) => {
  it('prints an executed command with its parent, and its exit', async () => {
    let shell: number | undefined
    const { lines } = await trace([...side, '--seconds', '2'], () => {
      shell = spawn('sh', ['-c', '/bin/sleep 0.1; exit 3'], { stdio: 'ignore' }).pid
    })
    const sleep = lines.find((line) => line.kind === 'exec' && line.parent?.pid === shell)
    expect(sleep).toMatchObject({ comm: 'sleep', filename: '/bin/sleep', parent: { pid: shell, comm: 'sh' } })
    expect(lines.find((line) => line.kind === 'exit' && line.pid === shell)).toMatchObject({ exitCode: 3 })
    expect(lines.at(-1)).toMatchObject({ kind: 'summary' })
  })

  it('filters by command name in the kernel with --comm', async () => {
    const { lines } = await trace([...side, '--seconds', '1', '--comm', 'sleep'], () => {
      spawn('sh', ['-c', '/bin/sleep 0.1; /bin/true'], { stdio: 'ignore' })
    })
    const comms = new Set(lines.filter((line) => line.kind === 'exec').map((line) => line.comm))
    expect([...comms]).toEqual(['sleep'])
  })
})
