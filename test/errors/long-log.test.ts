import { VerifierError } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { open } from '../helpers/objects.js'

describe('a verifier log of tens of megabytes', () => {
  it('stays out of the heap and is whole when it is read', async () => {
    const object = open('refused')
    object.program('million_instructions').autoload = true
    const heap = process.memoryUsage().heapUsed
    const error: unknown = await object.load().catch((error) => error)
    object.close()
    if (!(error instanceof VerifierError)) throw error
    expect(error.code).toBe('E2BIG')
    expect(error.reason).toMatch(/^BPF program is too large. Processed 1000001 insn$/)
    expect(process.memoryUsage().heapUsed - heap).toBeLessThan(8 << 20)
    const { verifierLog, log } = error
    expect(verifierLog.length).toBeGreaterThan(10 << 20)
    expect(verifierLog.slice(0, 100)).toMatch(/^(func#|0: |; |R\d)/m)
    expect(verifierLog.slice(-300)).toMatch(
      /^BPF program is too large\. Processed 1000001 insn\nprocessed 1000001 insns/m,
    )
    expect(log.length).toBeGreaterThan(verifierLog.length)
  }, 60_000)
})
