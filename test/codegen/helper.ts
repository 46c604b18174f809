import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const cli = join(root, 'dist/lib/cli/main.js')

export interface Outcome {
  status: number
  stdout: string
  stderr: string
}

function run(program: string, args: string[], cwd = root): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

/** Runs `libbpf-node`. */
export function libbpfNode(args: string[], cwd?: string): Promise<Outcome> {
  return run(process.execPath, [cli, ...args], cwd)
}

/** `libbpf-node gen`, which has to work. */
export async function gen(...args: string[]): Promise<void> {
  const { status, stderr } = await libbpfNode(['gen', ...args])
  if (status !== 0) throw new Error(stderr)
}

/** Whatever strictness TypeScript has. */
const strict = {
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noFallthroughCasesInSwitch: true,
  noPropertyAccessFromIndexSignature: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  allowUnreachableCode: false,
  allowUnusedLabels: false,
  erasableSyntaxOnly: true,
  isolatedModules: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
}

/** Compiles the TypeScript in a folder to JavaScript beside it; what tsc complains of. */
export async function tsc(folder: string, options: object = {}): Promise<string> {
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...strict, ...options }, include: ['*.ts'] }),
  )
  const { stdout } = await run(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    folder,
  ])
  return stdout
}

/** What biome, with the settings of this repository, complains of in some files of a folder. */
export async function biome(folder: string, ...files: string[]): Promise<string> {
  const { files: _, ...settings } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'))
  writeFileSync(join(folder, 'biome.json'), JSON.stringify(settings))
  const { status, stdout, stderr } = await run(
    join(root, 'node_modules/.bin/biome'),
    ['ci', '--error-on-warnings', ...files],
    folder,
  )
  return status === 0 ? '' : stdout + stderr
}

/** A folder inside of the repository, where 'libbpf-node' is found. */
export function useFolder(): string {
  mkdirSync(join(root, 'build'), { recursive: true })
  const folder = mkdtempSync(join(root, 'build', 'codegen-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
