import { constants } from 'node:os'
import { capabilitiesFor, isRefusedForGood } from '../machine/capabilities.js'
import { native } from '../native/binding.js'
import { type MapType, mapTypeNumber, type ProgramType, programTypeNumber } from '../native/type-names.js'
import { type Answer, judge, unknown } from './answer.js'
import { ask, type Probe } from './ask.js'
import { mapTypesSince, programTypesSince } from './since.js'

export function* programType(name: ProgramType): Probe<Answer> {
  const since = programTypesSince[name]
  const answer = yield* ask(native.probeProgramType, native.probeProgramTypeAsync, programTypeNumber(name))
  // libbpf asks by an fentry program, which a hardened kernel refuses whoever asks, but not those that need no trampoline.
  if (name === 'tracing' && answer === -constants.errno.EPERM && isRefusedForGood(capabilitiesFor([name]))) {
    return unknown('the kernel refuses fentry programs, and may have others: ask attachType()', since)
  }
  return judge(answer, capabilitiesFor([name]), since)
}

export function* mapType(name: MapType): Probe<Answer> {
  const answer = yield* ask(native.probeMapType, native.probeMapTypeAsync, mapTypeNumber(name))
  // libbpf asks in words of Linux 6.9, which older kernels refuse. The maps are there where the programs are that go into them.
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
