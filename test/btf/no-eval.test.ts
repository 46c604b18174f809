import { execFileSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compile } from '../../lib/btf/codec.js'
import { compileBpf, inTemporaryDirectory, pathOf } from './helper.js'

/** Runs in a process that must not make code from strings. The test runner itself needs to make code from strings. */
const program = `
import { readFileSync } from 'node:fs'
import { BtfTypes } from './lib/btf/parse.js'
import { compile } from './lib/btf/codec.js'
let forbidden = false
try { new Function('') } catch { forbidden = true }
const btf = new BtfTypes(readFileSync('btf'))
const codec = compile(btf, btf.get('scalars', 'struct').id)
const value = codec.decodeBytes(readFileSync('data'))
const same = Buffer.compare(codec.encodeBytes(value), readFileSync('data')) === 0
let message
try { codec.encodeBytes({ ...value, c: 70000 }) } catch (error) { message = error.message }
const text = JSON.stringify(value, (_, x) => typeof x === 'bigint' ? x + 'n' : x)
console.log(JSON.stringify({ forbidden, same, message, text }))
`

test('codecs work the same where code cannot be made from strings', () => {
  const object = compileBpf('nasty.c')
  const root = pathOf('../..')
  const output = inTemporaryDirectory((directory) => {
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { rootDir: root, outDir: directory, declaration: false },
      include: [join(root, 'lib/btf')],
    }
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config))
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', directory])
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(directory, 'main.js'), program)
    writeFileSync(join(directory, 'btf'), object.section('.BTF'))
    writeFileSync(join(directory, 'data'), object.variable('scalars'))
    return execFileSync(process.execPath, ['--disallow-code-generation-from-strings', 'main.js'], {
      cwd: directory,
      encoding: 'utf8',
    })
  })
  const value = compile(object.btf, object.btf.get('scalars').id).decodeBytes(object.variable('scalars'))
  expect(JSON.parse(output)).toEqual({
    forbidden: true,
    same: true,
    message: 'scalars.c: 70000 does not fit u16',
    text: JSON.stringify(value, (_, x: unknown) => (typeof x === 'bigint' ? `${x}n` : x)),
  })
})
