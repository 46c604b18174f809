// What the verifier accepts: instruction sets, loops and long programs, each tried with a small program.
import { constants } from 'node:os'
import { native } from '../native/binding.js'
import { programTypeNumber } from '../native/type-names.js'
import { type Answer, judge } from './answer.js'
import { ask, type Probe } from './ask.js'
import { exit, instructions, result } from './instructions.js'

/** The instruction sets, as named in clang's `-mcpu=`. */
export type Isa = 'v1' | 'v2' | 'v3' | 'v4'

/** Other features that programs may need. */
export type VerifierFeature = 'bounded_loops' | 'large_programs' | 'memcg_accounting'

interface Trial {
  since: string
  code: () => Uint8Array
}

const isas: Readonly<Record<Isa, Trial>> = {
  v1: { since: '3.19', code: () => instructions(result(0), exit) },
  // if r0 < 0 goto +1
  v2: { since: '4.14', code: () => instructions(result(0), [0xa5, 0, 0, 1, 0], result(1), exit) },
  // if w0 < 0 goto +1
  v3: { since: '5.1', code: () => instructions(result(0), [0xa6, 0, 0, 1, 0], result(1), exit) },
  // r0 = (s8)r0
  v4: { since: '6.6', code: () => instructions(result(0), [0xbf, 0, 0, 8, 0], exit) },
}

/** Kernels with this helper no longer count maps against RLIMIT_MEMLOCK. libbpf uses the same test. */
const ktimeGetCoarseNs = 160

const others: Readonly<Record<VerifierFeature, Trial>> = {
  // r0 += 1; if r0 < 10 goto -2
  bounded_loops: {
    since: '5.3',
    code: () => instructions(result(0), [0x07, 0, 0, 0, 1], [0xa5, 0, 0, -2, 10], exit),
  },
  // More than 4096
  large_programs: {
    since: '5.2',
    code: () => instructions(...Array.from({ length: 4999 }, () => result(1)), exit),
  },
  memcg_accounting: { since: '5.11', code: () => instructions([0x85, 0, 0, 0, ktimeGetCoarseNs], exit) },
}

export const isaNames = Object.keys(isas) as Isa[]
export const verifierFeatureNames = Object.keys(others) as VerifierFeature[]

export const isa = (name: Isa): Probe<Answer> => tried('instruction set', isas, name)
export const verifierFeature = (name: VerifierFeature): Probe<Answer> => tried('feature', others, name)

function* tried<N extends string>(what: string, trials: Readonly<Record<N, Trial>>, name: N): Probe<Answer> {
  if (!Object.hasOwn(trials, name)) {
    throw new TypeError(`${what} '${name}' does not exist; there are ${Object.keys(trials).join(', ')}`)
  }
  const { code, since } = trials[name]
  const type = programTypeNumber('socket_filter')
  const { load } = yield* ask(native.probeLoad, native.probeLoadAsync, type, 0, 0, 0, code(), 0)
  return judge(
    load === 0 ? 1 : load === -constants.errno.EACCES ? -constants.errno.EINVAL : load,
    ['CAP_BPF'],
    since,
  )
}
