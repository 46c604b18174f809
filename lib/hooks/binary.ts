// Functions and USDT probes of programs and libraries.
import { readlinkSync } from 'node:fs'
import { pathOfBinary } from '../attach/binary.js'
import { BpfError } from '../errors/errors.js'
import { probesIn } from '../machine/binary-probes.js'
import { mappingsIn, readMaps } from '../machine/mappings.js'
import type { Hook, HookKind, HookParameter } from './hook.js'

/**
 * @param binary - a path, or the name of a program on the PATH or of a library
 * @throws BpfError if the file cannot be read
 */
export function* hooksInBinary(
  binary: string,
  wanted: (kind: HookKind) => boolean,
  named: (name: string) => boolean,
): Generator<Hook, undefined> {
  const path = pathOfBinary(binary)
  const probes = probesIn(path)
  if (probes === undefined) {
    throw new BpfError(
      `list the hooks of ${binary}: it cannot be read as a program or library of this machine`,
      {
        code: 'ERR_BPF_NOT_FOUND',
        target: binary,
      },
    )
  }
  if (wanted('user')) {
    for (const name of [...probes.functions].filter((one) => one !== '' && named(one)).sort()) {
      yield {
        kind: 'user',
        name: `${path}:${name}`,
        sections: [`uprobe/${path}:${name}`, `uretprobe/${path}:${name}`],
        parameters: [],
        since: '4.3',
      }
    }
  }
  if (wanted('usdt')) {
    for (const [probe, text] of [...probes.usdt].sort()) {
      if (!named(probe)) continue
      yield {
        kind: 'usdt',
        name: `${path}:${probe}`,
        sections: [`usdt/${path}:${probe}`],
        parameters: argumentsOf(text),
        since: '4.3',
      }
    }
  }
  return undefined
}

/** The files that a process has mapped to execute, as this process can open them. */
export function binariesOf(pid: number): string[] {
  const paths = mappingsIn(readMaps(pid)).flatMap(({ executable, path }) =>
    executable && path.startsWith('/') ? [path] : [],
  )
  const root = isInOurNamespace(pid) ? '' : `/proc/${pid}/root`
  return [...new Set(paths)].filter((path) => !path.endsWith(' (deleted)')).map((path) => `${root}${path}`)
}

function isInOurNamespace(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/self/ns/mnt')
  } catch {
    return true
  }
}

/** "8@%rdi -4@$5": the size of each argument, negative if it is signed. */
function argumentsOf(text: string): HookParameter[] {
  const sizes = [...text.matchAll(/(?:^| )(-?\d+)f?@/g)].map(([, size]) => Number(size))
  return sizes.map((size, i) => {
    const type = `__${size < 0 ? 's' : 'u'}${8 * Math.abs(size)}`
    return { name: `arg${i}`, type, declaration: `${type} arg${i}` }
  })
}
