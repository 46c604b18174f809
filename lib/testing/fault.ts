import type { SourceLine } from '../asm/instruction.js'

/** Where a program was when something went wrong. */
export interface FaultPlace {
  /** The function that was running. */
  readonly function: string
  /** The index of the instruction in that function. */
  readonly index: number
  readonly line?: SourceLine
}

/**
 * What a program did wrong while it was emulated: an access out of bounds, a NULL pointer, a reservation that it never
 * released. The message names the line of source, if the object has line information.
 */
export class EmulatorError extends Error {
  readonly code = 'ERR_BPF_EMULATOR'
  readonly place: FaultPlace | undefined

  /** The message without the place. */
  readonly reason: string

  constructor(reason: string, place?: FaultPlace) {
    super(place === undefined ? reason : `${reason}, ${describePlace(place)}`)
    this.name = 'EmulatorError'
    this.reason = reason
    this.place = place
  }
}

function describePlace({ function: name, index, line }: FaultPlace): string {
  const where = `in '${name}' at instruction ${index}`
  return line === undefined ? where : `${where}, at ${line.file}:${line.line}: '${line.text.trim()}'`
}
