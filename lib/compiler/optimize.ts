import { alu } from '../asm/arithmetic.js'
import { aluOperations } from '../asm/isa.js'
import { liveness, reachable, successors } from './flow.js'
import { isPure, type Operation, type Reg, rename, target, written } from './ir.js'

/** Makes a function shorter without changing what it does. */
export function optimize(operations: readonly Operation[]): Operation[] {
  let list = [...operations]
  let text = JSON.stringify(list, bigints)
  for (let round = 0; round < 8; round++) {
    const before = text
    list = removeUnused(shortenJumps(foldConstants(propagateCopies(list))))
    text = JSON.stringify(list, bigints)
    if (text === before) break
  }
  return list
}

const bigints = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value)

/** How often each register is written. One that is written once always has the same value. */
function writers(operations: readonly Operation[]): Map<Reg, Operation[]> {
  const found = new Map<Reg, Operation[]>()
  for (const operation of operations) {
    const reg = written(operation)
    if (reg !== undefined) found.set(reg, [...(found.get(reg) ?? []), operation])
  }
  return found
}

/** Reads the original in the place of a copy that never changes, if the original does not change either. */
function propagateCopies(operations: readonly Operation[]): Operation[] {
  const writes = writers(operations)
  const source = (reg: Reg): Reg => {
    const [only, ...others] = writes.get(reg) ?? []
    if (others.length > 0 || only?.op !== 'move' || only.bits !== 64) return reg
    return writes.get(only.s)?.length === 1 ? source(only.s) : reg
  }
  return operations.map((operation) => rename(operation, source, (reg) => reg))
}

const fitsImmediate = (value: bigint): boolean => value === BigInt.asIntN(32, value)

/** Puts constants into operations, and computes what only has constants. */
function foldConstants(operations: readonly Operation[]): Operation[] {
  const writes = writers(operations)
  const constant = (reg: Reg): bigint | undefined => {
    const [only, ...others] = writes.get(reg) ?? []
    return others.length === 0 && only?.op === 'const' && only.core === undefined ? only.value : undefined
  }
  return operations.map((operation) => {
    switch (operation.op) {
      case 'alu':
      case 'branch': {
        const { b } = operation
        const right = 'reg' in b ? constant(b.reg) : BigInt(b.imm)
        if (right === undefined) return operation
        if (operation.op === 'alu') {
          const left = constant(operation.a)
          if (left !== undefined) {
            const value = alu(aluOperations[operation.operation], operation.bits, left, right, 0)
            return { op: 'const', d: operation.d, value, at: operation.at }
          }
        }
        const signed = operation.bits === 32 ? BigInt.asIntN(32, right) : BigInt.asIntN(64, right)
        return 'reg' in b && fitsImmediate(signed) ? { ...operation, b: { imm: Number(signed) } } : operation
      }
      case 'store': {
        const value = 'reg' in operation.value ? constant(operation.value.reg) : undefined
        if (value === undefined) return operation
        const signed = BigInt.asIntN(operation.size * 8, value)
        return fitsImmediate(signed) ? { ...operation, value: { imm: Number(signed) } } : operation
      }
      case 'call':
        return {
          ...operation,
          args: operation.args.map((arg) => {
            const value = 'reg' in arg ? constant(arg.reg) : undefined
            return value !== undefined && fitsImmediate(BigInt.asIntN(64, value))
              ? { imm: Number(BigInt.asIntN(64, value)) }
              : arg
          }),
        }
      case 'move': {
        const value = constant(operation.s)
        if (value === undefined) return operation
        return { op: 'const', d: operation.d, value: BigInt.asUintN(operation.bits, value), at: operation.at }
      }
      default:
        return operation
    }
  })
}

/** Removes jumps and branches to what follows anyway, and what cannot be reached. */
function shortenJumps(operations: readonly Operation[]): Operation[] {
  const seen = reachable(operations)
  const kept = operations.filter((_, i) => seen[i])
  const next = successors(kept)
  return kept.filter((operation, i) => {
    if (operation.op !== 'jump' && operation.op !== 'branch') return true
    const target = next[i]!.at(-1)!
    // Only labels stand between the jump and its target.
    return target <= i || kept.slice(i + 1, target).some(({ op }) => op !== 'label')
  })
}

/** Removes operations whose results nobody reads, and labels that nobody jumps to. */
function removeUnused(operations: readonly Operation[]): Operation[] {
  const { after } = liveness(operations)
  const targets = new Set(operations.map(target))
  return operations.filter((operation, i) => {
    if (operation.op === 'label') return targets.has(operation.name)
    if (operation.op === 'move' && operation.d === operation.s && operation.bits === 64) return false
    const reg = written(operation)
    return !(isPure(operation) && reg !== undefined && !after[i]!.has(reg))
  })
}
