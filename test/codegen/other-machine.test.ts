// A module that was generated on another machine. In guests for arm64, x64 has generated it (scripts/kernels/arm64.mjs).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { BpfObject } from 'libbpf-node'
import { expect, it } from 'vitest'
import { gen, root, useFolder } from './helper.js'

const folder = useFolder()
const elsewhere = join(root, 'build/generated/calls.skel.ts')

async function generated(): Promise<string> {
  if (existsSync(elsewhere)) return elsewhere
  const output = join(folder, 'calls.skel.ts')
  await gen('--arch', 'x64,arm64', '-o', output, fileURLToPath(new URL('calls.bpf.c', import.meta.url)))
  return output
}

it('a module for x64 and arm64 loads the object of this machine, which reads its registers', async () => {
  expect(process.arch === 'x64' || existsSync(elsewhere)).toBe(true)
  const { Calls } = (await import(pathToFileURL(await generated()).href)) as {
    Calls: { open(): BpfObject }
  }
  using object = Calls.open()
  // This kernel may be built without kprobes.
  object.program('on_unlink').autoload = false
  expect(object.types.find('user_pt_regs') !== undefined).toBe(process.arch === 'arm64')
  object.loadSync()
  object.bss.wanted = process.pid
  using _link = object.program('on_enter').attach()
  process.kill(process.pid, 0)
  expect(object.map<number, { argument: bigint }>('copies').get(0)?.argument).toBe(BigInt(process.pid))
})
