import { constants } from 'node:os'
import { capabilitiesFor, isRefusedForGood } from '../machine/capabilities.js'
import { native } from '../native/binding.js'
import type { MapType } from '../native/map-types.js'
import { mapTypeNumber, type ProgramType, programTypeNumber } from '../native/type-names.js'
import { type Answer, judge, unknown } from './answer.js'
import { ask, type Probe } from './ask.js'
import { mapTypesSince, programTypesSince } from './since.js'

export function* programType(name: ProgramType): Probe<Answer> {
  const since = programTypesSince[name]
  const answer = yield* ask(native.probeProgramType, native.probeProgramTypeAsync, programTypeNumber(name))
  // libbpf tries an fentry program. A hardened kernel refuses those to everyone, but not tracing programs that need no
  // trampoline.
  if (name === 'tracing' && answer === -constants.errno.EPERM && isRefusedForGood(capabilitiesFor([name]))) {
    return unknown(
      'the kernel refuses fentry programs but may accept other tracing programs: check with attachType()',
      since,
    )
  }
  return judge(answer, capabilitiesFor([name]), since)
}

export function* mapType(name: MapType): Probe<Answer> {
  const answer = yield* ask(native.probeMapType, native.probeMapTypeAsync, mapTypeNumber(name))
  // libbpf asks in the form of Linux 6.9, which older kernels refuse. A kernel with struct_ops programs has the maps
  // for them.
  if (name === 'struct_ops' && answer !== 1) {
    const { answer, reason } = yield* programType('struct_ops')
    return Object.freeze({
      answer,
      ...(reason !== undefined && { reason }),
      since: mapTypesSince.struct_ops!,
    })
  }
  return judge(answer, ['CAP_BPF', 'CAP_NET_ADMIN'], mapTypesSince[name])
}
