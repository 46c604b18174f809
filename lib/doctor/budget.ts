// How much work it is for the verifier, which gives up at a million instructions, to check the programs of an object.
import type { VerifierStats } from '../errors/verifier-log.js'
import { BpfObject } from '../objects/object.js'

/** What the verifier reports about one program. */
export interface ProgramBudget extends VerifierStats {
  readonly program: string
}

/** Statistics only; no instruction is logged. */
const BPF_LOG_STATS = 4

/**
 * Loads an object and returns the verifier's statistics about each program that loads. Nothing stays loaded.
 *
 * @param names - the programs to load
 */
export async function budgetOf(path: string, names: readonly string[]): Promise<ProgramBudget[]> {
  try {
    return await measure(path, names)
  } catch {
    // The first program that is refused hides the rest.
    const found: ProgramBudget[] = []
    for (const name of names.length > 1 ? names : []) {
      found.push(...(await measure(path, [name]).catch(() => [])))
    }
    return found
  }
}

async function measure(path: string, names: readonly string[]): Promise<ProgramBudget[]> {
  using object = BpfObject.open(path, { kernelLogLevel: BPF_LOG_STATS })
  for (const program of object.programs.values()) program.autoload = names.includes(program.name)
  await object.load()
  return [...object.programs.values()].flatMap(({ name, verifierStats }) =>
    verifierStats === undefined ? [] : [{ program: name, ...verifierStats }],
  )
}
