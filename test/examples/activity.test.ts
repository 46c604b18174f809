import { spawn } from 'node:child_process'
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

describe('examples/activity', () => {
  it('prints an executed command with its parent, and its exit', async () => {
    let shell: number | undefined
    const { lines } = await trace(['--seconds', '2'], () => {
      shell = spawn('sh', ['-c', '/bin/sleep 0.1; exit 3'], { stdio: 'ignore' }).pid
    })
    const sleep = lines.find((line) => line.kind === 'exec' && line.parent?.pid === shell)
    expect(sleep).toMatchObject({ comm: 'sleep', filename: '/bin/sleep', parent: { pid: shell, comm: 'sh' } })
    expect(lines.find((line) => line.kind === 'exit' && line.pid === shell)).toMatchObject({ exitCode: 3 })
    expect(lines.at(-1)).toMatchObject({ kind: 'summary' })
  })

  it('filters by command name in the kernel with --comm', async () => {
    const { lines } = await trace(['--seconds', '1', '--comm', 'sleep'], () => {
      spawn('sh', ['-c', '/bin/sleep 0.1; /bin/true'], { stdio: 'ignore' })
    })
    const comms = new Set(lines.filter((line) => line.kind === 'exec').map((line) => line.comm))
    expect([...comms]).toEqual(['sleep'])
  })
})
