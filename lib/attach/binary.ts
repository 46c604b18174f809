import { accessSync, constants, statSync } from 'node:fs'
import { constants as os } from 'node:os'
import { BpfError } from '../errors/errors.js'
import type { Attachable } from '../links/attachment.js'
import { expectString } from './attachable.js'
import { findMappedFile, type Refuse } from './mapped-file.js'

const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as 'x64' | 'arm64'] ?? process.arch

/**
 * Finds a program or library that is named as a shell or the loader would name it: `bash`, `libc.so.6`.
 *
 * With a process, the result is the file that the process has mapped, even if that was replaced on disk or is in a
 * container; an error says why not. Without one, a path stays as it is, and so does a name that is not found.
 */
export function findBinary(program: Attachable, binary: string, pid: number | undefined): string {
  expectString('binary', binary)
  if (binary === '') throw new TypeError('binary is an empty string')
  return locateBinary(binary, pid, (why, code) => {
    throw new BpfError(`attach program '${program.name}' to process ${pid}, '${binary}': ${why} (${code})`, {
      ...program.subject,
      code,
      errno: os.errno[code as keyof typeof os.errno] ?? 0,
      operation: 'open',
      target: binary,
    })
  })
}

/** The path of a program or library, as a process has mapped it or as this process finds it. */
export function locateBinary(binary: string, pid: number | undefined, refuse: Refuse): string {
  // Paths in /proc are explicit, and archives (app.apk!/lib.so) are not mapped as such.
  if (pid !== undefined && !/^\/proc\/|!\//.test(binary)) return findMappedFile(binary, pid, refuse)
  return pathOfBinary(binary)
}

/** A path stays as it is, and so does a name that is not found. */
export const pathOfBinary = (binary: string): string =>
  binary.includes('/') ? binary : (searchedBinary(binary) ?? binary)

/** Looks where libbpf does, and in the folders of Debian's and Alpine's libraries. */
function searchedBinary(name: string): string | undefined {
  const folders = isLibrary(name)
    ? `${process.env.LD_LIBRARY_PATH ?? ''}:/usr/lib64:/usr/lib:/lib/${machine}-linux-gnu:/usr/lib/${machine}-linux-gnu:/lib`
    : `${process.env.PATH ?? ''}:/usr/bin:/usr/sbin`
  return folders
    .split(':')
    .filter((folder) => folder !== '')
    .map((folder) => `${folder}/${name}`)
    .find(isReadableFile)
}

const isLibrary = (name: string): boolean => name.endsWith('.so') || name.includes('.so.')

/** A folder of that name, such as ~/bin/python, is passed over. */
const isReadableFile = (path: string): boolean => isReadable(path) && statSync(path).isFile()

export function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** Says why nothing can be attached in a file if the file itself is the reason. `log` has libbpf's warnings. */
export function whyNoBinary(binary: string, log = ''): string | undefined {
  if (!binary.includes('/')) {
    const found = searchedBinary(binary)
    if (found !== undefined) {
      return /failed to resolve full path/.test(log)
        ? `libbpf did not accept ${found}: it searches fewer folders, and programs must be executable (not on a noexec mount); give the full path`
        : undefined
    }
    return isLibrary(binary)
      ? 'no program or library of that name is on the library path'
      : 'no program or library of that name is on PATH; libraries are named as in libc.so.6'
  }
  const [file = ''] = binary.split('!/')
  return isReadable(file) ? undefined : `${file} does not exist or cannot be read`
}

/** Turns a process id into libbpf's form, in which -1 means all processes. */
export function pidNumber(pid: number | undefined): number {
  if (pid === undefined) return -1
  if (!Number.isInteger(pid) || pid <= 0) throw new TypeError(`pid is not a process id: ${pid}`)
  return pid
}
