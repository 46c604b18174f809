import { readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { mappingsIn, readMaps } from '../machine/mappings.js'

/** A file that a process runs code of. */
interface MappedFile {
  /** The file's name in /proc/PID/map_files. */
  range: string
  inode: bigint
  /** As /proc/PID/maps shows it. The kernel adds " (deleted)" if the file was removed or replaced. */
  path: string
}

/** Reports why a file cannot be found; the code is an errno's name. */
export type Refuse = (why: string, code: string) => never

/**
 * Finds the file that a process has mapped, by its name or its path. This process may find another file under the same
 * path: the file may have been upgraded since, or the other process may run in a container or a chroot.
 *
 * @returns a path by which the kernel finds the file, such as /proc/PID/root/usr/lib/libssl.so.3
 */
export function findMappedFile(binary: string, pid: number, refuse: Refuse): string {
  const isPath = binary.includes('/')
  const files = readMappedFiles(pid)
  if (typeof files === 'string') {
    // An explicit path is used as it is. If the process does not exist, the kernel says so.
    if (isPath) return binary
    if (files === 'ENOENT' || files === 'ESRCH') return refuse('no such process', 'ESRCH')
    const hint = files === 'EACCES' || files === 'EPERM' ? ', which requires CAP_SYS_PTRACE or its user' : ''
    return refuse(`its memory map cannot be read${hint}`, files)
  }
  if (isPath) {
    // In the process's root, the path can be a link to a file that it has mapped.
    for (const path of [binary, `/proc/${pid}/root${resolve(binary)}`])
      if (filesAt(path, pid, files).length > 0) return path
  }
  const found = isPath ? filesByPath(binary, pid, files) : filesByName(binary, pid, files)
  if (found.length === 0) return isPath ? futurePath(binary, pid, refuse) : refuseName(binary, refuse)
  const [path, ...others] = found.map((file) => reachablePath(file, pid, refuse))
  if (others.length > 0) {
    refuse(
      `it has mapped several files of that name; give the path of one: ${[path, ...others].join(', ')}`,
      'EADDRNOTAVAIL',
    )
  }
  return path!
}

function readMappedFiles(pid: number): MappedFile[] | string {
  try {
    return mappedFilesIn(readMaps(pid))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown error'
  }
}

/** The files of executable mappings in the text of /proc/PID/maps, each once. @internal */
export function mappedFilesIn(maps: string): MappedFile[] {
  const files = new Map<string, MappedFile>()
  for (const { executable, device, inode, range, path } of mappingsIn(maps)) {
    const key = `${device} ${inode}`
    if (!executable || inode === 0n || !path.startsWith('/') || files.has(key)) continue
    files.set(key, { range, inode, path })
  }
  return [...files.values()]
}

const withoutDeleted = (path: string): string => path.replace(/ \(deleted\)$/, '')

/**
 * The mapped files that a path leads to. Two file systems can use the same inode numbers, so the devices are compared,
 * too: not the one in /proc/PID/maps, since stat() shows another one for overlayfs and btrfs.
 */
function filesAt(path: string, pid: number, files: readonly MappedFile[]): MappedFile[] {
  const found = identity(path)
  if (found === undefined) return []
  return files.filter(({ inode, range }) => {
    if (inode !== found.ino) return false
    const mapped = identity(`/proc/${pid}/map_files/${range}`)
    return mapped === undefined || (mapped.ino === found.ino && mapped.dev === found.dev)
  })
}

function filesByName(name: string, pid: number, files: readonly MappedFile[]): MappedFile[] {
  const same = files.filter(({ path }) => basename(path) === name || basename(withoutDeleted(path)) === name)
  if (same.length > 0) return same
  // A symbolic link beside the file, such as libc.so.6 for libc-2.31.so.
  const folders = new Set(files.map(({ path }) => dirname(path)))
  for (const folder of folders) {
    for (const root of [`/proc/${pid}/root`, '']) {
      const linked = filesAt(`${root}${folder}/${name}`, pid, files)
      if (linked.length > 0) return linked
    }
  }
  // The link points to the file's successor already: libwork.so.1 for libwork.so.1.2.
  return files.filter(({ path }) => basename(path).startsWith(`${name}.`))
}

function filesByPath(path: string, pid: number, files: readonly MappedFile[]): MappedFile[] {
  const paths = new Set([resolve(path)])
  try {
    paths.add(realpathSync(path))
  } catch {
    // The process has mapped a file that does not exist here (any more).
  }
  try {
    const root = readlinkSync(`/proc/${pid}/root`)
    if (root !== '/') paths.add(`${root}${resolve(path)}`)
  } catch {
    // Not permitted: only paths as we see them are known.
  }
  return files.filter((file) => paths.has(file.path) || paths.has(withoutDeleted(file.path)))
}

/** A file that the process may map later, which requires that it finds the same file under that path. */
function futurePath(path: string, pid: number, refuse: Refuse): string {
  const there = `/proc/${pid}/root${resolve(path)}`
  const root = identity(`/proc/${pid}/root/`)
  const ours = identity(path)
  const its = identity(there)
  // Without permission to look into the process's root, assume that the path is right.
  if (root === undefined || (ours === undefined && its === undefined)) return path
  if (ours?.ino === its?.ino && ours?.dev === its?.dev) return path
  return refuse(
    `it has not mapped that file, and its own root has ${its === undefined ? 'no file' : 'another file'} at that path${its === undefined ? '' : `; to use that one, pass ${there}`}`,
    'ENOENT',
  )
}

function refuseName(name: string, refuse: Refuse): never {
  return refuse(
    `it runs no code from a file called '${name}'; if it loads the file later, give the path`,
    'ENOENT',
  )
}

/** A path by which the kernel finds exactly this file. */
function reachablePath({ range, inode, path }: MappedFile, pid: number, refuse: Refuse): string {
  const mapped = `/proc/${pid}/map_files/${range}`
  const wanted = identity(mapped)
  for (const candidate of [`/proc/${pid}/root${path}`, path, `/proc/${pid}/exe`]) {
    const found = identity(candidate)
    if (found === undefined || found.ino !== (wanted?.ino ?? inode)) continue
    if (wanted === undefined || found.dev === wanted.dev) return candidate
  }
  // The kernel follows that link even if the file has no name any more.
  if (wanted !== undefined) return mapped
  return refuse(
    `it has mapped ${path}, which can only be opened with CAP_CHECKPOINT_RESTORE (Linux 5.9) or CAP_SYS_ADMIN`,
    'EACCES',
  )
}

function identity(path: string): { dev: bigint; ino: bigint } | undefined {
  try {
    return statSync(path, { bigint: true })
  } catch {
    return undefined
  }
}
