// The first program of README.md, in an empty project with nothing but the packed package.
import { execFile, spawn } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root, tsc } from '../codegen/helper.js'
import { packPackage } from '../helpers/tarball.js'
import { until } from '../helpers/until.js'
import { codeBlocks, readPage, sectionOf } from './blocks.js'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-readme-'))
const app = join(folder, 'app')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const section = sectionOf(readPage('README.md'), '## A first program')

beforeAll(async () => {
  mkdirSync(app)
  const { tarball } = packPackage(folder)
  // Tests do not use the registry.
  const pack = ['pack', '--ignore-scripts', '--silent', '--pack-destination', app]
  await run('npm', pack, { cwd: join(root, 'node_modules/node-gyp-build') })
  const dependencies = readdirSync(app).map((name) => join(app, name))
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }')
  const install = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund']
  await run('npm', [...install, tarball, ...dependencies], { cwd: app })
  symlinkSync(join(root, 'node_modules/@types'), join(app, 'node_modules/@types'))
}, 120_000)

describe('README.md', () => {
  it.each([
    ['hello.bpf.ts', codeBlocks(section, 'ts')[0]!],
    ['hello.bpf.c', codeBlocks(section, 'c')[0]!],
  ])(
    'has a first program that runs when pasted into an empty project, with %s',
    async (name, kernelSide) => {
      for (const file of ['hello.bpf.ts', 'hello.bpf.c', 'hello.skel.ts'])
        rmSync(join(app, file), { force: true })
      writeFileSync(join(app, name), kernelSide)
      writeFileSync(join(app, 'main.ts'), codeBlocks(section, 'ts')[1]!)
      await run('npx', ['libbpf-node', 'gen', name], { cwd: app })
      if (name === 'hello.bpf.ts') await run('npx', ['libbpf-node', 'types', name], { cwd: app })
      expect(await tsc(app)).toBe('')

      const child = spawn(process.execPath, ['main.js'], { cwd: app, stdio: ['ignore', 'pipe', 'inherit'] })
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
      try {
        // A name that nothing else on the machine has.
        const command = join(app, 'readme-first')
        copyFileSync('/bin/true', command)
        await until('the event is printed', async () => {
          await run(command)
          return output.includes('readme-first')
        })
      } finally {
        child.kill()
        await new Promise((resolve) => child.on('exit', resolve))
      }
      const shape = /^Waiting for programs to start\. Press Ctrl-C to stop\.\n(?:.*\n)*?[\w-]+ \(\d+\)$/m
      expect(output).toMatch(shape)
      expect(codeBlocks(section, '')[0]).toMatch(shape)
    },
    120_000,
  )

  it.each([
    ['c', ['hello.bpf.c']],
    ['ts', ['hello.bpf.ts', 'main.ts']],
  ])('shows the %s files that libbpf-node init writes', (language, files) => {
    const texts = files.map((file) => readFileSync(join(root, 'template', file), 'utf8'))
    expect(codeBlocks(section, language)).toEqual(texts)
  })
})
