// Runs each listing of docs/tutorial.md in a project that `libbpf-node init` wrote.
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { libbpfNode, tsc, useFolder } from '../codegen/helper.js'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import { codeBlocks, readPage } from './blocks.js'

useTracefs()
const folder = useFolder()
const page = readPage('docs/tutorial.md')
const [unlink, unlinkMain, histogram, histogramMain] = codeBlocks(page, 'ts')

beforeAll(async () => {
  await libbpfNode(['init', folder])
  // The package that it would install is the one around it.
  rmSync(join(folder, 'package.json'))
}, 60_000)

/** What `npm run build` does, with all strictness of tsc. */
async function build(kernelSide: string, main: string): Promise<void> {
  writeFileSync(join(folder, 'hello.bpf.ts'), kernelSide)
  writeFileSync(join(folder, 'main.ts'), main)
  for (const command of ['gen', 'types'])
    expect(await libbpfNode([command, 'hello.bpf.ts'], folder)).toMatchObject({ status: 0 })
  expect(await tsc(folder)).toBe('')
}

function start(): { output: () => string; stop: () => Promise<void> } {
  const child = spawn(process.execPath, ['main.js'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  return {
    output: () => output,
    stop: () => {
      child.kill()
      return ended
    },
  }
}

describe('docs/tutorial.md', () => {
  it('reports deleted files', async () => {
    await build(unlink!, unlinkMain!)
    const file = join(folder, 'some-file')
    const { output, stop } = start()
    try {
      await until('it waits', () => output().includes('Waiting for files to be deleted.\n'))
      writeFileSync(file, '')
      execFileSync('rm', [file])
      await until('it reports', () => new RegExp(`^rm \\(\\d+\\) deletes ${file}$`, 'm').test(output()))
    } finally {
      await stop()
    }
    expect(codeBlocks(page, '')[0]).toMatch(/^Waiting for files to be deleted\.\nrm \(\d+\) deletes \S+$/m)
  }, 60_000)

  it('shows what the compiler says about a mistake', async () => {
    writeFileSync(join(folder, 'hello.bpf.ts'), unlink!.replace('getCurrentComm()', 'getCurrentCom()'))
    const { status, stderr } = await libbpfNode(['gen', 'hello.bpf.ts'], folder)
    expect(status).toBe(1)
    expect(stderr).toContain(codeBlocks(page, 'text')[0]!.trimEnd())
  })

  it('draws a histogram', async () => {
    await build(histogram!, histogramMain!.replace('setTimeout(5000)', 'setTimeout(500)'))
    const { output, stop } = start()
    try {
      await until('it measures', () => output().includes('Measuring'))
      for (let i = 0; i < 20; i++) readFileSync('/proc/self/status')
      execFileSync('cat', ['/proc/self/maps'])
      await until('it draws', () => /^< +\d+ us #+ \d+$/m.test(output()))
    } finally {
      await stop()
    }
    expect(codeBlocks(page, '')[1]).toMatch(/^Measuring for five seconds\.\n(< +\d+ us #+ \d+\n?)+$/)
  }, 60_000)
})
