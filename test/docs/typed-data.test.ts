// Runs the program of docs/typed-data.md, and reads it in the three ways that the page shows.
import { execFile, spawn } from 'node:child_process'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { gen, tsc, useFolder } from '../codegen/helper.js'
import { until } from '../helpers/until.js'
import { codeBlocks, readPage, sectionOf } from './blocks.js'

const page = readPage('docs/typed-data.md')
const folder = useFolder()
const blocks = (heading: string, language: string): string[] =>
  codeBlocks(sectionOf(page, `## ${heading}`), language)

const [source] = codeBlocks(page, 'c')

/** The page writes `obj.rodata.name` for objects without a shape. */
const lenient = { noPropertyAccessFromIndexSignature: false }

const ways = [
  ['Bytes', 'by-bytes'],
  ['BTF at run time', 'by-btf'],
  ['Generated code', 'by-code'],
] as const

beforeAll(async () => {
  writeFileSync(join(folder, 'exec.bpf.c'), source!)
  await gen(join(folder, 'exec.bpf.c'))
  await gen(join(folder, 'exec.bpf.c'), '--external', '-o', join(folder, 'outside.skel.ts'))
  copyFileSync(join(folder, 'outside.bpf.o'), join(folder, 'exec.bpf.o'))
  for (const [heading, name] of ways) writeFileSync(join(folder, `${name}.ts`), blocks(heading, 'ts')[0]!)
  expect(await tsc(folder, lenient)).toBe('')
})

/** Runs one of the ways until it prints a line about a command with its name. */
async function firstLine(name: string): Promise<string> {
  const child = spawn(process.execPath, [`${name}.js`], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const command = join(folder, name)
  copyFileSync('/bin/true', command)
  const lines = () => output.split('\n').slice(0, -1)
  try {
    await until(`${name} is printed`, async () => {
      await promisify(execFile)(command)
      if (child.exitCode !== null) throw new Error(output)
      return lines().some((line) => line.includes(name))
    })
  } finally {
    child.kill()
    await new Promise((resolve) => child.on('exit', resolve))
  }
  return lines().find((line) => line.includes(name))!
}

describe('docs/typed-data.md', () => {
  it.each(ways)('the way "%s" prints executed programs', async (_, name) => {
    expect(await firstLine(name)).toMatch(new RegExp(`^\\d+n \\d+ 1 '?${name}'? \\d+n$`))
  })

  it('shows a shape that accepts and refuses what the comments say', async () => {
    const shape = blocks('BTF at run time', 'ts')[1]!
    const wrong = /^(.*)\/\/ an error$/m
    expect(shape).toMatch(wrong)
    const code = `import { BpfObject, type BpfMap } from 'libbpf-node'\n${shape.replace(wrong, '// @ts-expect-error\n$1')}`
    writeFileSync(join(folder, 'shape.ts'), code)
    expect(await tsc(folder, lenient)).toBe('')
  })
})
