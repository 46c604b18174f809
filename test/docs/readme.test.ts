import { execFile, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, it } from 'vitest'
import { until } from '../helpers/until.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
/** Inside of the repository, where 'libbpf-node' is found. */
mkdirSync(join(root, 'build'), { recursive: true })
const folder = mkdtempSync(join(root, 'build', 'readme-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function block(language: string): string {
  const [, text] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(readme) ?? []
  if (text === undefined) throw new Error(`README.md has no ${language} block`)
  return text
}

it('has a first program that works when pasted', async () => {
  writeFileSync(join(folder, 'hello.bpf.c'), block('c'))
  writeFileSync(join(folder, 'hello.ts'), block('ts'))
  const clang = await findClang()
  const includes = ['include', 'build/include', 'deps/libbpf'].map((path) => `-I${join(root, path)}`)
  const object = join(folder, 'hello.bpf.o')
  const flags = ['-g', '-O2', '-target', 'bpf', '-mcpu=v3']
  await promisify(execFile)(clang, [...flags, ...includes, '-c', join(folder, 'hello.bpf.c'), '-o', object])
  // What it says is also JavaScript.
  copyFileSync(join(folder, 'hello.ts'), join(folder, 'hello.js'))

  const child = spawn(process.execPath, [join(folder, 'hello.js')], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  try {
    // A command with a name that nobody else has.
    const name = 'readme-first'
    const command = join(mkdtempSync(join(tmpdir(), 'readme-')), name)
    copyFileSync('/bin/true', command)
    await promisify(execFile)('chmod', ['+x', command])
    await until('the event is printed', async () => {
      await promisify(execFile)(command)
      return output.includes(`comm: '${name}'`)
    })
  } finally {
    child.kill()
    await new Promise((resolve) => child.on('exit', resolve))
  }
  expect(output).toMatch(/^\{ pid: \d+, comm: 'readme-first' \}$/m)
})

async function findClang(): Promise<string> {
  for (const clang of ['clang-16', 'clang-17', 'clang-18', 'clang-19', 'clang']) {
    const found = await promisify(execFile)(clang, ['--version']).then(
      () => true,
      () => false,
    )
    if (found) return clang
  }
  throw new Error('there is no clang')
}
