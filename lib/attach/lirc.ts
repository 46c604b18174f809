import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { attachTypeNumber } from '../native/type-names.js'
import { attachTo, type Hook } from './attachable.js'
import { withFd } from './file.js'

export function attachLirc(program: Attachable, device: string | number): Link {
  const hook: Hook = {
    what: `the infrared receiver ${device}`,
    target: String(device),
    reason: (error) => {
      if (error.errno === constants.errno.EEXIST) return 'this program is attached there already'
      if (error.errno === constants.errno.E2BIG)
        return 'the receiver has as many programs as the kernel allows'
      return whyNoReceiver(error)
    },
  }
  return withFd(device, `attach program '${program.name}' to ${hook.what}`, (fd) =>
    attachTo(program, hook, () =>
      native.programProgAttach(program.handle, fd, attachTypeNumber('lirc_mode2'), 0, 0),
    ),
  )
}

export function whyNoReceiver({ errno }: NativeError): string | undefined {
  const { EINVAL, ENODEV, ENOTTY } = constants.errno
  return errno === ENODEV || errno === EINVAL || errno === ENOTTY
    ? 'it is not an infrared receiver, such as /dev/lirc0, or the kernel was built without CONFIG_BPF_LIRC_MODE2'
    : undefined
}
