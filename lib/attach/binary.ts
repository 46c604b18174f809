import { accessSync, constants, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { expectString } from './attachable.js'

const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as 'x64' | 'arm64'] ?? process.arch

/**
 * The file of a program or library that is named as a loader would name it: `libc.so.6`, `bash`. With a process, what it has mapped under
 * that name, in its own mount namespace (a container's). A path stays as it is, and so does a name that is found nowhere.
 */
export function findBinary(name: string, pid: number | undefined): string {
  expectString('binary', name)
  if (name.includes('/')) return name
  const mapped = pid === undefined ? undefined : findMapped(name, pid)
  if (mapped !== undefined) return mapped
  const isLibrary = name.endsWith('.so') || name.includes('.so.')
  const folders = isLibrary
    ? `${process.env.LD_LIBRARY_PATH ?? ''}:/usr/lib64:/usr/lib:/lib/${machine}-linux-gnu:/usr/lib/${machine}-linux-gnu:/lib`
    : `${process.env.PATH ?? ''}:/usr/bin:/usr/sbin`
  for (const folder of folders.split(':')) {
    const path = `${folder}/${name}`
    if (folder !== '' && isReadable(path)) return path
  }
  return name
}

function findMapped(name: string, pid: number): string | undefined {
  let maps = ''
  try {
    maps = readFileSync(`/proc/${pid}/maps`, 'utf8')
  } catch {
    // It has ended, or is not ours to look at: the kernel will say so.
    return undefined
  }
  const path = pathsIn(maps).find((path) => basename(path) === name)
  return path && `/proc/${pid}/root${path}`
}

/** Of the files that /proc/PID/maps names. @internal */
export function pathsIn(maps: string): string[] {
  return [...maps.matchAll(/\s(\/.+)$/gm)].map(([, path = '']) => path)
}

export function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** Why nothing can be attached in that file, where it is the file's fault. */
export function whyNoBinary(binary: string): string | undefined {
  if (!binary.includes('/')) {
    return `no program or library of that name is on ${binary.includes('.so') ? 'the library path' : 'PATH'}`
  }
  return isReadable(binary.split('!/')[0]!) ? undefined : `${binary} is not there, or cannot be read`
}

/** libbpf's way to say which process: -1 is all of them. */
export function pidNumber(pid: number | undefined): number {
  if (pid === undefined) return -1
  if (!Number.isInteger(pid) || pid <= 0) throw new TypeError(`pid is not the number of a process: ${pid}`)
  return pid
}
