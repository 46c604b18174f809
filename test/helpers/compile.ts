import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const compilers = {
  clang: ['clang', 'clang-19', 'clang-18', 'clang-17', 'clang-16'],
  cc: ['cc', 'gcc', 'clang'],
}

function runs(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export function compiler(kind: keyof typeof compilers): string {
  const command = compilers[kind].find(runs)
  if (command === undefined) throw new Error(`these tests need one of ${compilers[kind].join(', ')}`)
  return command
}

/** Compiles C source and returns the result, linked with `libraries`. */
export function compile(
  kind: keyof typeof compilers,
  options: string[],
  source: string,
  libraries: string[] = [],
): Uint8Array {
  const command = compiler(kind)
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
  try {
    const out = join(folder, 'out')
    execFileSync(
      command,
      [...options, '-o', out, '-x', 'c', '-', ...(libraries.length > 0 ? ['-x', 'none', ...libraries] : [])],
      {
        input: source,
        stdio: ['pipe', 'ignore', 'inherit'],
      },
    )
    return new Uint8Array(readFileSync(out))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
