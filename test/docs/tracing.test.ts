// Runs the listings of docs/tracing.md and docs/tools.md.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { run, tsc, useFolder } from '../codegen/helper.js'
import { useTracefs } from '../helpers/privileged.js'
import { codeBlocks, readPage } from './blocks.js'

const folder = useFolder()
const [calls, sizes, opens, lives, hot, threads] = codeBlocks(readPage('docs/tracing.md'), 'ts')

const [kills] = codeBlocks(readPage('docs/tools.md'), 'ts')

beforeAll(async () => {
  for (const [name, text] of Object.entries({ calls, sizes, opens, lives, hot, threads, kills })) {
    writeFileSync(join(folder, `${name}.ts`), text!)
  }
  const options = { noUncheckedIndexedAccess: false, noPropertyAccessFromIndexSignature: false }
  expect(await tsc(folder, options)).toBe('')
}, 60_000)

describe('docs/tracing.md', () => {
  useTracefs()

  it('counts system calls', async () => {
    const { stdout, stderr } = await run(process.execPath, ['calls.js'], folder)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^ *\d+ █+ +\S/)
  })

  it('shows the sizes of reads', async () => {
    // On a quiet machine nobody else reads.
    const reader = spawn('/bin/sh', ['-c', 'while :; do cat /etc/hostname; done'], { stdio: 'ignore' })
    const { stdout, stderr } = await run(process.execPath, ['sizes.js'], folder).finally(() => reader.kill())
    expect(stderr).toBe('')
    expect(stdout).toMatch(/\|\ntrue\n$/)
  })

  it('shares tables between functions', async () => {
    const { stdout, stderr } = await run(process.execPath, ['lives.js'], folder)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/\| true\n$/)
  })

  it('counts stacks', async () => {
    const { stdout, stderr } = await run(process.execPath, ['hot.js'], folder)
    expect({ stdout, stderr }).toEqual({ stdout: 'true true\n', stderr: '' })
  })

  it('goes over threads', async () => {
    const { stdout, stderr } = await run(process.execPath, ['threads.js'], folder)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/\{ key: '.+', value: \d+ \}/)
  })

  it('reports files that are opened', async () => {
    const { stdout, stderr } = await run(process.execPath, ['opens.js'], folder)
    expect({ stdout, stderr }).toEqual({ stdout: 'cat opens /etc/hostname\n', stderr: '' })
  })
})

describe('docs/tools.md', () => {
  useTracefs()

  it('shows signals', async () => {
    const { stdout, stderr } = await run(process.execPath, ['kills.js'], folder)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^node\S* sends SIGCONT to \d+: done$/m)
  })
})
