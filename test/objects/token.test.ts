// Loading in a user namespace, as in an unprivileged container, with and without a BPF token.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { runChild } from '../helpers/child.js'
import { compile } from '../helpers/compile.js'
import { requiresKernel } from '../helpers/kernel.js'
import { objectPath } from '../helpers/objects.js'

/** Runs a script as root of a user namespace that has a BPF file system with everything delegated. */
async function inNamespace(script: string, args: string[] = []): Promise<{ stdout: string; stderr: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
  try {
    const launcher = join(folder, 'token')
    writeFileSync(
      launcher,
      compile('cc', ['-O1'], readFileSync(new URL('../c/token.c', import.meta.url), 'utf8')),
      { mode: 0o755 },
    )
    return await runChild(script, [folder, ...args], { under: [launcher, folder] })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('a BPF token', () => {
  requiresKernel('6.9', 'lets a container load programs and create maps', async () => {
    const { stdout, stderr } = await inNamespace(
      `import { BpfObject } from 'libbpf-node'
       const [, folder, path] = process.argv
       const obj = BpfObject.open(path, { bpfTokenPath: folder })
       await obj.load()
       obj.map('.bss').raw.get(new Uint8Array(4)).length
       console.log(obj.loaded, obj.tokenFd > 2, obj.programs.get('emit').loaded)
       obj.close()`,
      [objectPath('ring')],
    )
    expect({ stdout, stderr }).toEqual({ stdout: 'true true true\n', stderr: '' })
  })

  requiresKernel('6.9', 'is mentioned in the error if there is none', async () => {
    const { stdout } = await inNamespace(
      `import { BpfObject } from 'libbpf-node'
       const obj = BpfObject.open(process.argv[2], { bpfTokenPath: '' })
       await obj.load().catch((error) => console.log(error.message))
       obj.close()`,
      [objectPath('ring')],
    )
    expect(stdout).toMatch(
      /only count in its own user namespace, .* a BPF token with the option bpfTokenPath/,
    )
  })
})
