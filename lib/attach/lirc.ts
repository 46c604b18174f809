import { constants } from 'node:os'
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
    reason: ({ errno }) => {
      const { E2BIG, EEXIST, EINVAL, ENODEV, ENOTTY } = constants.errno
      if (errno === EEXIST) return 'this program is attached there already'
      if (errno === E2BIG) return 'the receiver has as many programs as the kernel allows'
      if (errno === ENODEV || errno === EINVAL || errno === ENOTTY)
        return 'it is not an infrared receiver, such as /dev/lirc0, or the kernel was built without CONFIG_BPF_LIRC_MODE2'
      return undefined
    },
  }
  return withFd(device, `attach program '${program.name}' to ${hook.what}`, (fd) =>
    attachTo(program, hook, () =>
      native.programProgAttach(program.handle, fd, attachTypeNumber('lirc_mode2'), 0, 0),
    ),
  )
}
