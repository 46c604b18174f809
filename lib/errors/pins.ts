// Why a file on a BPF file system cannot be made or opened.
import { accessSync, constants, statfsSync } from 'node:fs'
import { basename, dirname } from 'node:path'

/** BPF_FS_MAGIC of linux/magic.h. */
const bpfFileSystem = 0xcafe4a11

/** Why pinning failed, by the errno's name; `undefined` where the errno says nothing about the file. */
export function whyNotPinned(path: string, code: string): string | undefined {
  const { names, type } = newNames(path)
  if (type !== undefined && type !== bpfFileSystem) return notOnBpfFileSystem(path)
  const dotted = names.find((name) => name.includes('.'))
  switch (code) {
    case 'EPERM':
      // The kernel reserves names with dots.
      return dotted && `names on a BPF file system cannot have dots, and '${dotted}' has one`
    case 'EEXIST':
      return 'a file of that name exists already'
    case 'ENOENT':
      return 'the directory does not exist'
    case 'EACCES':
      return 'this user may not create files there'
    default:
      return undefined
  }
}

/** Why a pin cannot be opened, by the errno's name; `undefined` where the errno says nothing about the file. */
export function whyNotOpened(path: string, code: string): string | undefined {
  switch (code) {
    case 'ENOENT':
      return 'the file does not exist'
    case 'EACCES':
      return mayOpen(path) ? 'it is not a file on a BPF file system' : 'this user may not open the file'
    case 'EINVAL':
      return 'nothing of that kind is pinned there'
    default:
      return undefined
  }
}

/**
 * The file and the directories that have to be made for a path, and the type of the file system that they would be on.
 */
function newNames(path: string): { names: string[]; type: number | undefined } {
  const names = [basename(path)]
  let folder = dirname(path)
  for (;;) {
    try {
      return { names, type: statfsSync(folder).type }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // A BPF file system returns EPERM for a name with a dot.
      const isMissing = code === 'ENOENT' || code === 'EPERM'
      if (!isMissing || folder === dirname(folder)) return { names, type: undefined }
      names.push(basename(folder))
      folder = dirname(folder)
    }
  }
}

/** What to do about a path that is on another kind of file system. */
export function notOnBpfFileSystem(path: string): string {
  return `${path} is not on a BPF file system; 'mount -t bpf bpf /sys/fs/bpf' mounts one`
}

function mayOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
