import type { ProgramHandle } from '../../types/binding.js'
import type { Attachable } from '../attach/attachable.js'
import type { Program } from '../programs/program.js'

/** What stays inside of a program, for those who need it. @internal */
export interface ProgramInside {
  readonly handle: ProgramHandle
  readonly attachable: () => Attachable
}

let read: (program: Program) => ProgramInside | undefined = () => undefined

/** Called by program.ts. Apart from it, so that what programs are attached with need not import them. */
export function registerPrograms(insideOf: typeof read): void {
  read = insideOf
}

/** The native handle of a program. @internal */
export function handleOfProgram(program: Program): ProgramHandle {
  return insideOf(program).handle
}

/** What links need of a program that they are moved to. @internal */
export function attachableOf(program: Program): Attachable {
  return insideOf(program).attachable()
}

function insideOf(program: Program): ProgramInside {
  const inside = read(program)
  if (inside === undefined) throw new TypeError('program is not a Program of libbpf-node')
  return inside
}
