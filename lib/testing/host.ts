import type { Region } from './memory.js'
import type { LinkedFunction } from './program.js'

/** What programs need from the machine that they run on, in whichever way they are executed. */
export interface Host {
  readonly functions: readonly LinkedFunction[]
  /** Where the program is, for messages: set before a call of the machine. */
  at(functionNumber: number, index: number): void
  /** Where the counters of a function's instructions are, if they are counted. */
  countersAt(functionNumber: number): number | undefined
  /** Adds 1 to a counter. */
  count(at: number): void
  /** Begins a function: its stack. */
  enter(): Region
  leave(): void
  /** What r10 is: the end of the stack. */
  framePointer(stack: Region): bigint
  load(address: bigint, size: number): bigint
  store(address: bigint, size: number, value: bigint): void
  /** Returns what was in memory before. */
  atomic(address: bigint, size: number, operation: number, source: bigint, expected: bigint): bigint
  /** A load from the packet of a socket buffer by ld_abs and ld_ind; `undefined` ends the program with 0. */
  loadPacket(offset: number, size: number): bigint | undefined
  callHelper(number: number, args: readonly bigint[]): bigint
  callKernel(number: bigint, args: readonly bigint[]): bigint
  /** Counts instructions that ran. @throws EmulatorError when the budget is spent */
  spend(instructions: number): void
  /** Whether may_goto leaves its loop. */
  mayGoto(): boolean
  fault(reason: string): never
}

/** Runs functions of a program. */
export interface Executor {
  /** Called before each run. */
  begin?(): void
  call(functionNumber: number, args: readonly bigint[]): bigint
}
