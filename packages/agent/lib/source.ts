import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/** Compiles in a process of its own, because the compiler and the kernel's types would stay in memory. */
const compiler = `
import { readFileSync } from 'node:fs'
import { compile } from 'libbpf-node/kernel'
const file = process.argv[1]
try {
  process.stdout.write(compile(readFileSync(file, 'utf8'), { file }).object)
} catch (error) {
  process.stderr.write(error.name === 'CompileError' ? error.message : error.stack)
  process.exitCode = 1
}
`

/** The bytes of an object file; TypeScript for the kernel is compiled. */
export async function objectBytes(file: string): Promise<Uint8Array> {
  if (!file.endsWith('.ts')) return readFile(file)
  const args = ['--input-type=module', '--eval', compiler, file]
  const options = { encoding: 'buffer', maxBuffer: 1 << 26, cwd: new URL('.', import.meta.url) } as const
  try {
    return (await promisify(execFile)(process.execPath, args, options)).stdout
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer }
    throw new Error(stderr !== undefined && stderr.length > 0 ? String(stderr).trim() : String(error))
  }
}
