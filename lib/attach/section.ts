import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { type Hook, reasonOf, tryAttachTo } from './attachable.js'
import { whyNoIter } from './iter.js'
import { whyNoKprobe, whyNoKprobes, whyNoKsyscall } from './kprobe.js'
import { whyNoRawTracepoint, whyNoTracepointLink } from './tracepoint.js'
import { whyNoUprobe } from './uprobe.js'
import { whyNoUsdt } from './usdt.js'

/** Attaches a program to the target in its SEC(); `undefined` if that names none. libbpf parses it. */
export function tryAttach(program: Attachable, section: string): Link | undefined {
  const subject = {
    ...program.subject,
    what: `program '${program.name}': attach to SEC("${section}")`,
    target: section,
    reason: reasonOf(hookOf(section)),
  }
  return tryAttachTo(program, subject, section, () => native.programAttach(program.handle))
}

/** Explains a failure as the method for that kind of hook would. */
function hookOf(section: string): Pick<Hook, 'since' | 'reason'> {
  const slash = section.indexOf('/')
  if (slash < 0) return {}
  const kind = section.slice(0, slash).replace(/\.s$/, '')
  const target = section.slice(slash + 1)
  const session = kind.endsWith('.session')
  switch (kind.replace(/ret(?=probe|syscall)/, '').replace(/\.session$/, '.multi')) {
    case 'kprobe':
      return { reason: (error) => whyNoKprobe(error, target.split('+')[0]!) }
    case 'ksyscall':
      return { reason: (error) => whyNoKsyscall(error, target) }
    case 'kprobe.multi': {
      const since = session ? '6.10' : '5.18'
      return { since, reason: (error) => whyNoKprobes(error, since, { pattern: target }) }
    }
    case 'uprobe':
    case 'uprobe.multi': {
      const [, binary = target] = /^([^:]*):/.exec(target) ?? []
      const since = !kind.includes('.') ? undefined : session ? '6.13' : '6.6'
      return { since, reason: (error) => whyNoUprobe(error, binary) }
    }
    case 'usdt':
      return { reason: (error) => whyNoUsdt(error, target.split(':')[0]!, section) }
    case 'tp':
    case 'tracepoint':
      return { reason: whyNoTracepointLink }
    case 'raw_tp':
    case 'raw_tracepoint':
    case 'raw_tp.w':
    case 'raw_tracepoint.w':
      return { reason: (error) => whyNoRawTracepoint(error, target) }
    case 'iter':
      return { since: '5.8', reason: (error) => whyNoIter(error, section) }
    case 'lsm':
      return { since: '5.7' }
    default:
      return { since: /^(fentry|fexit|fmod_ret|fsession|tp_btf)$/.test(kind) ? '5.5' : undefined }
  }
}
