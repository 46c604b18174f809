// `npx libbpf-node init` as a new user meets it: from the packed package, in an empty folder.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ordinaryAddon } from '../helpers/child.js'
import { npmProgram, packPackage } from '../helpers/tarball.js'

let folder = ''
let tarball = ''
// `node` in the project's scripts is the one that runs the tests.
const path = [dirname(process.execPath), process.env.PATH].join(delimiter)
// `npm test` passes on the settings of our .npmrc, which the project does not have.
const env = { ...process.env, ...ordinaryAddon, PATH: path, npm_config_json: 'false' }

function npm(cwd: string, ...args: string[]): string {
  const command = [npmProgram(), ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

const install = ['install', '--prefer-offline', '--no-audit', '--no-fund']

/** Runs `npm start` until it prints the event of a program that the test starts, and returns its output. */
async function outputOfStart(project: string): Promise<string> {
  const child = spawn(process.execPath, [npmProgram(), 'start'], {
    cwd: project,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  let output = ''
  try {
    for await (const text of child.stdout.setEncoding('utf8')) {
      if (!output.includes('Waiting') && (output + text).includes('Waiting')) spawnSync('/bin/true')
      output += text
      if (/^true \(\d+\)$/m.test(output)) break
    }
  } finally {
    // The whole process group: npm, its shell, and the program.
    if (child.exitCode === null) process.kill(-child.pid!)
  }
  return output
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'libbpf-node-init-'))
  tarball = packPackage(folder).tarball
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('npx libbpf-node init', () => {
  it('creates a project in an empty folder that builds and prints its first event within two minutes', async () => {
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    const began = performance.now()
    const said = npm(empty, 'exec', '--yes', '--package', tarball, '--', 'libbpf-node', 'init', 'hello')
    expect(said).toMatch(/Next:\n {2}cd hello\n {2}npm install\n {2}npm start/)
    const project = join(empty, 'hello')
    // This version may not be published, so it is installed from the tarball; everything else is as package.json says.
    npm(project, ...install, tarball)
    expect(await outputOfStart(project)).toMatch(/^true \(\d+\)$/m)
    expect((performance.now() - began) / 1000).toBeLessThan(120)
  }, 180_000)

  it('adds to a project that has a package.json and leaves that file to the user', async () => {
    const project = join(folder, 'own')
    mkdirSync(project)
    npm(project, ...install, tarball)
    const before = readFileSync(join(project, 'package.json'), 'utf8')
    const said = npm(project, 'exec', '--', 'libbpf-node', 'init')
    expect(said).toContain('Kept the existing package.json')
    expect(readFileSync(join(project, 'package.json'), 'utf8')).toBe(before)

    const [, next = ''] = said.split('Next:\n')
    const commands = next.trim().split(/\n */).slice(0, -1)
    expect(commands).toEqual([
      expect.stringContaining('npm pkg set type=module'),
      'npm install',
      'npm install --save-dev @types/node typescript',
    ])
    for (const command of commands)
      execFileSync('sh', ['-c', command], { cwd: project, env, stdio: 'ignore' })
    expect(await outputOfStart(project)).toMatch(/^true \(\d+\)$/m)
  }, 180_000)
})
