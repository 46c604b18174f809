// How an object is opened: the options, and what an error says about them.
import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { isBytes } from '../btf/bytes.js'
import type { Subject } from '../errors/explain.js'

/** Options for {@link BpfObject.open}. (`bpf_object_open_opts`) */
export interface OpenOptions {
  /** The name of the object. By default the file's name without its extensions. */
  name?: string
  /** Where maps declared with `LIBBPF_PIN_BY_NAME` are pinned. The default is `/sys/fs/bpf`. */
  pinRootPath?: string
  /**
   * Kernel configuration as lines of the form `CONFIG_X=y`. They are added to the running kernel's configuration, or
   * override it.
   */
  kconfig?: string
  /** A file with the BTF to relocate against, instead of the kernel's own. */
  btfCustomPath?: string
  /**
   * The same BTF as bytes, for example from {@link Btf.bytes} or {@link Btf.toBytes}, or fetched for this kernel. They
   * become a file in memory, which requires Linux 3.17 or newer.
   */
  btfCustom?: Uint8Array
  /** A delegated BPF file system to get a token from; '' for no token. (Linux 6.9) */
  bpfTokenPath?: string
  /** Ignores attributes in map definitions that libbpf does not know. */
  relaxedMaps?: boolean
  /** What the verifier logs: 1 for branches, 2 for every instruction, 4 for statistics. Add them up. */
  kernelLogLevel?: number
  /**
   * The size of the buffer for the log of each program, in bytes, if you want a limit: a longer log is an error. Without
   * it, the buffer grows. You can read the logs with {@link BpfObject.kernelLog} and {@link Program.verifierLog}.
   */
  kernelLogSize?: number
}

const openArguments = [
  'source',
  'name',
  'pinRootPath',
  'kconfig',
  'btfCustom',
  'bpfTokenPath',
  'relaxedMaps',
  'kernelLogLevel',
  'kernelLogSize',
]

/** Errors of a file that cannot be read at all. Any other one means that the BTF in it is damaged. */
const unreadable = new Set<number>([constants.errno.EISDIR, constants.errno.EIO, constants.errno.ESPIPE])

/** The BTF to relocate against, if it is not the kernel's own. */
export function customBtf({ btfCustom, btfCustomPath }: OpenOptions): string | Uint8Array | undefined {
  if (btfCustom === undefined) return btfCustomPath
  if (btfCustomPath !== undefined) throw new TypeError('btfCustom and btfCustomPath cannot both be given')
  if (!isBytes(btfCustom)) throw new TypeError('btfCustom is not a Uint8Array')
  return btfCustom
}

/** What opening an object is called in errors. */
export function openSubject(from: string | Uint8Array, { name, btfCustomPath }: OpenOptions): Subject {
  const path = typeof from === 'string' ? from : undefined
  const shown = name ?? path
  return {
    what: `open object ${shown === undefined ? 'from bytes' : `'${shown}'`}`,
    object: name,
    target: path,
    arguments: openArguments,
    reason: ({ operation, errno }: NativeError) =>
      operation === 'btf__parse' && !unreadable.has(errno)
        ? `btfCustom${btfCustomPath === undefined ? '' : `Path ${btfCustomPath}`} is damaged: types refer to themselves, or have no size`
        : undefined,
  }
}
