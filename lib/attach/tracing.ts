import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { programHandles } from '../native/handles.js'
import type { Program } from '../programs/program.js'
import { attachTo, u64 } from './attachable.js'
import type { CookieOption } from './tracepoint.js'

/** Cookies require Linux 5.19. */
export function attachTracing(program: Attachable, section: string, { cookie }: CookieOption): Link {
  const bits = u64('cookie', cookie)
  return attachTo(program, { what: `SEC("${section}")`, target: section, since: '5.5' }, () =>
    native.programAttachTrace(program.handle, bits),
  )
}

export function attachLsm(program: Attachable, section: string): Link {
  return attachTo(program, { what: `SEC("${section}")`, target: section, since: '5.7' }, () =>
    native.programAttachLsm(program.handle),
  )
}

export function attachFreplace(
  program: Attachable,
  section: string,
  target: Program | number | undefined,
  name: string | undefined,
): Link {
  if ((target === undefined) !== (name === undefined)) {
    throw new TypeError('a target program and the name of its function must be given together')
  }
  const fd =
    target === undefined
      ? 0
      : typeof target === 'number'
        ? target
        : native.programFd(programHandles.of(target))
  const what = name === undefined ? `SEC("${section}")` : `function '${name}' of the program with fd ${fd}`
  return attachTo(program, { what, target: name ?? section, since: '5.10' }, () =>
    native.programAttachFreplace(program.handle, fd, name),
  )
}
