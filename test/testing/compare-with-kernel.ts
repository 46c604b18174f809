// Runs random programs in the emulator, both ways, and in the kernel, on the same input.
import { BpfObject } from 'libbpf-node'
import { instructionText } from 'libbpf-node/asm'
import { readObject } from '../../lib/asm/object-reader.js'
import { Machine } from '../../lib/testing/machine.js'
import { type Jump, type RandomOptions, randomObject, seeded } from './random-programs.js'

export interface Batch {
  readonly seed: number
  /** The instruction set. */
  readonly isa: 3 | 4
  /** How many programs. Each runs on three inputs. */
  readonly programs: number
}

export interface Findings {
  /** What is not the same in the emulator. */
  readonly difference: string | undefined
  /** Where the kernel contradicts itself. */
  readonly kernelFaults: readonly string[]
}

interface Difference {
  /** How far the batch had come. */
  readonly at: number
  readonly what: string
}

/**
 * Compares the variables and maps that programs leave.
 *
 * Linux 6.18 takes a branch of a few programs in a hundred thousand for one that is always or never taken, and removes
 * it. Two facts together prove that: its dump lacks the branch, and the same kernel leaves what the emulator does as
 * soon as its verifier does not know the operands of this one branch.
 */
export function compareWithKernel(batch: Batch): Findings {
  const hidden: Jump[] = []
  const kernelFaults: string[] = []
  for (;;) {
    const difference = firstDifference(batch, hidden)
    if (difference === undefined) return { difference, kernelFaults }
    const culprit = removedJumps(batch, hidden).find((jump) => {
      const next = firstDifference(batch, [...hidden, jump])
      return next === undefined || next.at > difference.at
    })
    if (culprit === undefined) return { difference: `${nameOf(batch)}: ${difference.what}`, kernelFaults }
    hidden.push(culprit)
    const { fn, number, instruction } = culprit
    kernelFaults.push(
      `${nameOf(batch)}: jump ${number} of ${fn}, '${conditionOf(instructionText(instruction))}'`,
    )
  }
}

const nameOf = ({ seed, isa }: Batch): string => `seed ${seed}, instruction set v${isa}`

function objectOf({ seed, isa, programs }: Batch, hides: NonNullable<RandomOptions['hides']>) {
  const random = seeded(seed)
  const bytes = randomObject(random, programs, { isa, length: 20 + random.below(80), hides })
  return { random, bytes }
}

const isIn =
  (jumps: readonly Jump[]) =>
  (jump: Jump): boolean =>
    jumps.some(({ fn, number }) => fn === jump.fn && number === jump.number)

function firstDifference(batch: Batch, hidden: readonly Jump[]): Difference | undefined {
  const { random, bytes } = objectOf(batch, isIn(hidden))
  using object = BpfObject.open(bytes)
  object.loadSync()
  const read = readObject(bytes)
  const machines = (['compiled', 'interpreted'] as const).map(
    (executor) => [executor, new Machine(read, { executor })] as const,
  )
  const bss = object.map('.bss').raw
  const programs = Array.from({ length: batch.programs }, (_, i) => object.program(`p${i}`))
  const zero = new Uint8Array(4)
  let at = 0
  for (let run = 0; run < 3; run++) {
    const input = BigUint64Array.from({ length: 10 }, () =>
      random.below(4) === 0 ? BigInt(random.below(256)) : random.u64(),
    )
    const memory = new Uint8Array(bss.valueSize)
    memory.set(new Uint8Array(input.buffer))
    for (const program of programs) {
      at++
      bss.set(zero, memory)
      program.testRunSync()
      const expected = Buffer.from(bss.get(zero)!)
      for (const [executor, machine] of machines) {
        const section = machine.sections.get('.bss')!
        machine.memory.bytes.set(memory, section.base)
        machine.run(program.name, 0n)
        const left = machine.memory.bytes.subarray(section.base, section.base + section.size)
        if (expected.equals(left)) continue
        const shown = `${Buffer.from(left).toString('hex')}, in the kernel ${expected.toString('hex')}`
        return { at, what: `run ${run} of ${program.name}, ${executor}, leaves ${shown}` }
      }
    }
    at++
    for (const name of ['hash', 'array']) {
      const expected = entriesText(object.map<number, bigint>(name).entries())
      for (const [executor, machine] of machines) {
        const entries = [...machine.maps.get(name)!.entries()].map(({ key, values }): [number, bigint] => [
          readU32(key),
          readU64(values[0]!),
        ])
        if (entriesText(entries) === expected) continue
        const shown = `${entriesText(entries)}, in the kernel ${expected}`
        return { at, what: `map ${name} after run ${run}, ${executor}, is ${shown}` }
      }
    }
  }
  return undefined
}

const entriesText = (entries: Iterable<[number, bigint]>): string =>
  [...entries].sort(([a], [b]) => a - b).join(' ')
const readU32 = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
const readU64 = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)

/** The conditional jumps that a program's dump has less often than the program. */
function removedJumps(batch: Batch, hidden: readonly Jump[]): Jump[] {
  const jumps: Jump[] = []
  const isHidden = isIn(hidden)
  const { bytes } = objectOf(batch, (jump) => {
    jumps.push(jump)
    return isHidden(jump)
  })
  using object = BpfObject.open(bytes)
  object.loadSync()
  const removed = new Set<Jump>()
  for (const [name, program] of object.programs) {
    const kept = program.dump().instructions.map(({ text }) => conditionOf(text))
    const own = jumps.filter(({ fn }) => [name, 'mix0', 'mix1'].includes(fn))
    const conditions = own.map(({ instruction }) => conditionOf(instructionText(instruction)))
    for (const [i, condition] of conditions.entries()) {
      const isSame = (other: string): boolean => other === condition
      if (kept.filter(isSame).length < conditions.filter(isSame).length) removed.add(own[i]!)
    }
  }
  return [...removed]
}

/** `if r1 == r2` of `(1d) if r1 == r2 goto pc+3`. */
const conditionOf = (text: string): string => text.replace(/^\(..\) /, '').replace(/ goto .*/, '')
