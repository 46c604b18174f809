// Runs statements in the kernel and in the emulator, and expects the same of both.
import { BpfObject } from 'libbpf-node'
import { type CompileOptions, type CompileResult, compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { expect } from 'vitest'

interface RunOptions extends CompileOptions {
  /** Types, maps and functions. */
  readonly declarations?: string
  /** What `input` has: eight numbers. */
  readonly input?: readonly bigint[]
}

/** Runs the body of a program that reads `input` and writes `output`, which are eight numbers each. */
export function runBoth(
  body: string,
  { declarations = '', input = [], ...options }: RunOptions = {},
): { output: bigint[]; result: CompileResult } {
  const text = `
export const input = data<array<u64, 8>>()
export const output = data<array<u64, 8>>()
${declarations}
export const p = tcIngress((packet) => {
${body}
return 0
})
export const license = 'GPL'
`
  const result = compile(text, options)
  const given = Array.from({ length: 8 }, (_, i) => input[i] ?? 0n)
  const packet = new Uint8Array(64)
  const emulator = Emulator.open(result.object)
  emulator.set('input', given)
  emulator.program('p').run({ packet })
  const emulated = emulator.get<bigint[]>('output')
  using opened = BpfObject.open(result.object)
  const data = opened.data as { input: bigint[]; output: bigint[] }
  data.input = given
  opened.loadSync()
  opened.program('p').testRunSync({ data: packet })
  const output = [...data.output]
  expect(emulated, 'in the emulator').toEqual(output)
  return { output, result }
}
