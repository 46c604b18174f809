// `npm start`, the first command that somebody runs in a clone.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { npmProgram, root } from '../helpers/tarball.js'

function start(args: string[], env = process.env) {
  const command = [npmProgram(), 'start', '--', ...args, '--json', '--seconds', '1']
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: root,
    env,
    encoding: 'utf8',
    // It prints every file that is opened on this machine.
    maxBuffer: 1 << 28,
  })
  const kinds = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).kind)
  return { status, stderr, last: kinds.at(-1) }
}

describe('npm start -- --json without a terminal', () => {
  it('prints nothing but JSON lines on stdout', () => {
    expect(start([])).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('activity: tracing;'),
      last: 'summary',
    })
  }, 120_000)

  it('needs no clang with --ts', () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-start-'))
    try {
      for (const path of (process.env.PATH ?? '').split(delimiter)) linkAllButClang(path, folder)
      const { status, stderr, last } = start(['--ts'], { ...process.env, PATH: folder })
      expect({ status, last }).toEqual({ status: 0, last: 'summary' })
      expect(stderr).toContain('activity: tracing with activity.bpf.ts, compiled without clang;')
      expect(stderr).not.toMatch(/installing|BPF programs/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }, 120_000)
})

function linkAllButClang(path: string, folder: string): void {
  let names: string[] = []
  try {
    names = readdirSync(path)
  } catch {
    // The PATH may contain folders that do not exist.
  }
  const known = new Set(readdirSync(folder))
  for (const name of names)
    if (!/clang|llvm|bpftool/.test(name) && !known.has(name))
      symlinkSync(join(path, name), join(folder, name))
}
