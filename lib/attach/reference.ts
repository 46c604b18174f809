import { attempt } from '../errors/attempt.js'
import { native } from '../native/binding.js'
import { programHandles } from '../native/handles.js'
import type { Program } from '../programs/program.js'

/** A program that is in the kernel: one that you have opened or loaded, or the id of any. */
export type ProgramReference = Program | { readonly programId: number }

/** Calls `use` with a descriptor of the program, which is only open during the call; `undefined` for no program. */
export function withProgramFd<T>(
  program: ProgramReference | undefined,
  what: string,
  use: (fd: number | undefined) => T,
): T {
  if (program === undefined) return use(undefined)
  if (typeof program !== 'object' || program === null || !('programId' in program)) {
    programHandles.of(program)
    return use(program.fd)
  }
  const { programId } = program
  const fd = attempt({ what, arguments: ['programId'], capabilities: () => ['CAP_SYS_ADMIN'] }, () =>
    native.programFdById(programId),
  )
  try {
    return use(fd)
  } finally {
    native.descriptorClose(fd)
  }
}
