import { execFile, execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const example = fileURLToPath(new URL('../../dist/examples/worker/main.js', import.meta.url))

describe('the example of a Worker', () => {
  it('counts what is executed while the main thread is busy', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-worker-'))
    // Nothing else executes a command of this name.
    const command = join(folder, 'in-the-worker')
    copyFileSync('/bin/true', command)
    const output = new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [example, '2'], (error, stdout) => (error ? reject(error) : resolve(stdout)))
    })
    let over = false
    void output
      .catch(() => {})
      .then(() => {
        over = true
      })
    while (!over) {
      execFileSync(command)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    rmSync(folder, { recursive: true })
    const lines = (await output).trimEnd().split('\n')
    expect(lines.length).toBe(2)
    for (const [i, line] of lines.entries()) {
      expect(line).toMatch(new RegExp(`^second ${i + 1}, spent busy: .*\\bin-the-worker [1-9]`))
      expect(line).toMatch(/started; the slowest was read after \d+\.\d ms$/)
    }
  })
})
