import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Dispatcher } from '../links/attachment.js'
import { programHandles } from '../native/handles.js'
import { packageRoot } from '../native/package-root.js'
import type { Program } from '../programs/program.js'
import type { BpfObject } from './object.js'

/** The section name in dispatcher.bpf.c. */
const placeholder = Buffer.from(`dispatcher${'x'.repeat(400)}`)

/**
 * Loads a dispatcher for the programs of a section.
 *
 * @param open - BpfObject.open
 * @param prepare - sets what the section's name does not say
 * @internal
 */
export function loadDispatcher(
  open: (bytes: Uint8Array, name: string) => BpfObject,
  section: string,
  prepare: (dispatcher: Program) => void,
): Dispatcher {
  const object = open(withSection(section.replace(/^\?/, '')), 'dispatcher')
  try {
    const program = object.program('dispatcher')
    prepare(program)
    object.loadSync()
    const slot = object.map('slot')
    return {
      handle: programHandles.of(program),
      pointTo: (fd) => slot.raw.set(new Uint8Array(4), new Uint8Array(Uint32Array.of(fd).buffer)),
      close: () => object.close(),
    }
  } catch (error) {
    object.close()
    throw error
  }
}

/**
 * The section's name is in the string tables of ELF and BTF. It replaces a longer placeholder, and zeros fill the rest.
 */
function withSection(section: string): Uint8Array {
  const name = Buffer.alloc(placeholder.length)
  if (name.write(section) > placeholder.length - 1) throw new RangeError(`SEC("${section}") is too long`)
  const bytes = readFileSync(join(packageRoot(), 'dist/lib/objects/dispatcher.bpf.o'))
  for (let at = bytes.indexOf(placeholder); at >= 0; at = bytes.indexOf(placeholder, at)) name.copy(bytes, at)
  return bytes
}
