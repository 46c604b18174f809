// What works without Linux. The child processes only pretend to run elsewhere: the test proves that nothing Linux-only
// is loaded.
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'

const pretend = `Object.defineProperty(process, 'platform', { value: 'darwin' })
process.dlopen = () => { throw new Error('no native code') }
`

describe('on macOS', () => {
  it('libbpf-node/asm and libbpf-node/testing build and run a program', async () => {
    const { stdout, stderr } = await runChild(`${pretend}
      const { buildObject, exit, mov, r0 } = await import('libbpf-node/asm')
      const { Emulator } = await import('libbpf-node/testing')
      const instructions = [mov(r0, 2), exit()]
      const bytes = buildObject({ license: 'GPL', programs: { p: { section: 'xdp', instructions } } })
      console.log(Emulator.open(bytes).program('p').run({ packet: new Uint8Array(64) }).action)`)
    expect(stderr).toBe('')
    expect(stdout).toBe('XDP_PASS\n')
  })

  it('libbpf-node says that it requires Linux, and openInKernel, too', async () => {
    const { stdout } = await runChild(`${pretend}
      for (const load of [
        () => import('libbpf-node'),
        async () => (await import('libbpf-node/testing')).openInKernel(new Uint8Array(64)),
      ]) await load().catch((error) => console.log(error.message))`)
    const lines = stdout.trim().split('\n')
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      expect(line).toMatch(
        /for darwin-\w+: BPF is part of Linux, and this is not Linux.*libbpf-node\/testing/,
      )
    }
  })
})
