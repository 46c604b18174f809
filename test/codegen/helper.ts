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

/** Runs a program and waits for its end. */
export function run(program: string, args: string[], cwd = root): Promise<Outcome> {
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

/** Runs `libbpf-node gen`, which must succeed. */
export async function gen(...args: string[]): Promise<void> {
  const { status, stderr } = await libbpfNode(['gen', ...args])
  if (status !== 0) throw new Error(stderr)
}

/** All strictness that TypeScript has. */
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

/** Compiles the TypeScript files in a folder to JavaScript beside them. Returns the errors. */
export async function tsc(folder: string, options: object = {}, include = ['*.ts']): Promise<string> {
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...strict, ...options }, include }),
  )
  const { stdout } = await run(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    folder,
  ])
  return stdout
}

/** Checks files with biome and the settings of this repository. Returns the errors. */
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

/** Makes a folder inside the repository, where 'libbpf-node' can be imported. It is removed after the tests. */
export function useFolder(): string {
  mkdirSync(join(root, 'build'), { recursive: true })
  const folder = mkdtempSync(join(root, 'build', 'codegen-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
