// Runs the listings of docs/asm.md and docs/testing.md.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { run, tsc, useFolder } from '../codegen/helper.js'
import { codeBlocks, readPage, sectionOf } from './blocks.js'

const folder = useFolder()
const asm = readPage('docs/asm.md')
const testing = readPage('docs/testing.md')
const [build, change, types, merge, show] = codeBlocks(asm, 'ts')
const [first, , same] = codeBlocks(testing, 'ts')
const listings = { build, change, types, merge, show, first, same }
const [vitest] = codeBlocks(sectionOf(testing, '## With vitest'), 'ts')

const runIn = async (name: string, ...args: string[]) => {
  const { status, stdout, stderr } = await run(
    process.execPath,
    [join(folder, `${name}.js`), ...args],
    folder,
  )
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return stdout
}

beforeAll(async () => {
  for (const [name, code] of Object.entries({ ...listings, vitest }))
    writeFileSync(join(folder, `${name}.ts`), code!)
  expect(await tsc(folder)).toBe('')
  await runIn('build')
})

describe('docs/asm.md', () => {
  it('changes a helper call into a constant', async () => {
    expect(await runIn('change')).toBe('42\n')
  })

  it('builds types', async () => {
    expect(await runIn('types')).toBe('20\n')
  })

  it('prints instructions as it shows', async () => {
    expect(codeBlocks(asm, 'text')).toContain(await runIn('show'))
  })
})

describe('docs/testing.md', () => {
  it('runs the built program in the emulator', async () => {
    expect(await runIn('first')).toBe('')
  })

  it('runs the same in the emulator and in the kernel', async () => {
    expect(await runIn('same')).toBe('XDP_PASS\n')
    expect(await runIn('same', '--kernel')).toBe('XDP_PASS\n')
  })
})
