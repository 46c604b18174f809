import type { ProgramHandle } from '../types/binding.js'
import type { Program } from './program.js'

let read: (program: Program) => ProgramHandle | undefined = () => undefined

/** Called by program.ts. Apart from it, so that what programs are attached with need not import them. */
export function registerPrograms(handleOf: typeof read): void {
  read = handleOf
}

/** The native handle of a program. @internal */
export function handleOfProgram(program: Program): ProgramHandle {
  const handle = read(program)
  if (handle === undefined) throw new TypeError('program is not a Program of libbpf-node')
  return handle
}
