import { BpfError, type OpenOptions, VerifierError } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { readVerdict } from '../../lib/errors/verifier-log.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { open, thrownBy } from '../helpers/objects.js'

/** The logs of older kernels have the text of a line, but not its file and number. */
const namesFiles = kernelIs('6.10')

/** The error of an object that the verifier rejects, and the kernel's log from the buffer, if there is one. */
async function rejectionOf(
  name: string,
  options: OpenOptions = {},
  logLevel = 0,
): Promise<{ error: VerifierError; kernelLog: string }> {
  const object = open(name, options)
  object.program('on_exec').logLevel = logLevel
  try {
    const error = await object.load().catch((error) => error)
    if (!(error instanceof VerifierError)) throw error
    return { error, kernelLog: object.kernelLog }
  } finally {
    object.close()
  }
}

describe('VerifierError', () => {
  it('has the reason, the instruction and the line in C', async () => {
    const { error } = await rejectionOf('bad-pointer')
    expect(error).toBeInstanceOf(BpfError)
    expect(error).toMatchObject({
      name: 'VerifierError',
      code: 'EACCES',
      program: 'on_exec',
      object: 'bad-pointer',
      operation: 'bpf_object__load',
      reason: "R0 invalid mem access 'map_value_or_null'",
    })
    expect(error.source?.file).toMatch(namesFiles ? /bad-pointer\.bpf\.c$/ : /^$/)
    expect(error.source?.text).toBe('return *value;')
    expect(error.message).toBe(
      `load object 'bad-pointer': the verifier rejected program 'on_exec': R0 invalid mem access 'map_value_or_null', at ${namesFiles ? `${error.source?.file}:${error.source?.line}: ` : ''}'return *value;'`,
    )
  })

  it('names the instruction that the log ends with', async () => {
    const { error } = await rejectionOf('bad-pointer')
    // "6: (79) r0 = *(u64 *)(r0 +0)": the last instruction before the sentence.
    const last = [...error.verifierLog.matchAll(/^(\d+): \([0-9a-f]{2}\)/gm)].at(-1)
    expect(error.instruction).toBe(Number(last?.[1]))
    expect(error.instruction).toBeGreaterThan(0)
  })

  it('is the same from load and loadSync', async () => {
    const object = open('bad-pointer')
    const error = thrownBy(() => object.loadSync())
    object.close()
    const { error: other } = await rejectionOf('bad-pointer')
    const { name, message, reason, instruction, source } = other
    expect(error).toMatchObject({ name, message, reason, instruction, source })
  })
})

describe('the reason in a log', () => {
  const reasonIn = (...lines: string[]): string => readVerdict(`${lines.join('\n')}\n`).reason
  const statistics =
    'processed 21 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 1'
  const argument = "arg#0 reference type('UNKNOWN ') size cannot be determined: -22"

  it('is one sentence if the verifier breaks it after a comma', () => {
    const log = [
      '20: (85) call pc+8',
      'global function calls are not allowed while holding a lock,',
      'use static function instead',
      statistics,
    ]
    expect(reasonIn(...log)).toBe(
      'global function calls are not allowed while holding a lock, use static function instead',
    )
  })

  it('does not begin with what is said about the argument, in logs without instructions (level 4)', () => {
    const sentence = 'At program exit the register R0 has smin=9 smax=9 should have been in [0, 1]'
    expect(reasonIn('func#0 @0', argument, sentence, 'verification time 20 usec', statistics)).toBe(sentence)
  })

  it('is what is said about the argument if nothing else is said', () => {
    expect(reasonIn(argument, statistics)).toBe(argument)
  })
})

describe('VerifierError.verifierLog', () => {
  // The log has the time that it took, and the address of the map.
  const withoutChance = (log: string): string =>
    log.replace(/^verification time .*\n/gm, '').replace(/0x[0-9a-f]{16}/g, '0x')

  it.each([1, 2])('is the whole of what the kernel wrote, at level %d', async (level) => {
    const { error } = await rejectionOf('bad-pointer', {}, level)
    const { kernelLog } = await rejectionOf('bad-pointer', { kernelLogSize: 1 << 20 }, level)
    expect(kernelLog.length).toBeGreaterThan(100)
    expect(withoutChance(error.verifierLog)).toBe(withoutChance(kernelLog))
  })

  it('is whole when it has megabytes', async () => {
    const { error } = await rejectionOf('bad-late', {}, 2)
    const { error: own, kernelLog } = await rejectionOf('bad-late', { kernelLogSize: 64 << 20 }, 2)
    expect(kernelLog.length).toBeGreaterThan(1 << 20)
    expect(withoutChance(error.verifierLog).length).toBe(withoutChance(kernelLog).length)
    expect(withoutChance(error.verifierLog) === withoutChance(kernelLog)).toBe(true)
    expect(error.reason).toBe("R0 invalid mem access 'map_value_or_null'")
    expect(error.source?.text).toBe('return *value + sum;')
    expect(own).toMatchObject({ reason: error.reason, instruction: error.instruction, source: error.source })
  })

  it('comes from the buffer of kernelLogSize if there is one', async () => {
    const { error, kernelLog } = await rejectionOf('bad-pointer', { kernelLogSize: 1 << 16 }, 1)
    expect(error.reason).toBe("R0 invalid mem access 'map_value_or_null'")
    expect(error.verifierLog).toBe(kernelLog)
  })

  // Older kernels refuse a buffer of less than 128 bytes.
  requiresKernel(
    '6.4',
    'is not parsed when it does not fit into kernelLogSize, and the error says so',
    () => {
      const object = open('bad-pointer', { kernelLogSize: 64, kernelLogLevel: 1 })
      const error = thrownBy(() => object.loadSync())
      object.close()
      expect(error).toMatchObject({ name: 'BpfError', code: 'ENOSPC' })
      expect((error as Error).message).toMatch(
        /the verifier's log does not fit into kernelLogSize; make it larger/,
      )
    },
  )

  it('has what libbpf writes about a failed CO-RE relocation', async () => {
    const { error } = await rejectionOf('bad-core')
    expect(error.reason).toBe(
      'needs struct task_struct.no_such_field (CO-RE byte_off), which this kernel does not have',
    )
    // "1: <invalid CO-RE relocation>"
    expect(error.instruction).toBe(1)
    expect(error.source?.file).toMatch(namesFiles ? /bad-core\.bpf\.c$/ : /^$/)
    expect(error.verifierLog).toMatch(/failed to resolve CO-RE relocation/)
  })
})
