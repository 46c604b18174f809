// `npm start`, the first command that somebody runs in a clone.
import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { npmProgram, root } from '../helpers/tarball.js'

describe('npm start -- --json without a terminal', () => {
  it('prints nothing but JSON lines on stdout', () => {
    const args = [npmProgram(), 'start', '--', '--json', '--seconds', '1']
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('activity') })
    const kinds = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).kind)
    expect(kinds.at(-1)).toBe('summary')
  }, 120_000)
})
