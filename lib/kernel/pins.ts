// What is pinned to files of a BPF file system.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { Link } from '../links/link.js'
import type { LinkInfo } from '../links/link-info.js'
import type { PinFolder } from '../machine/pin-folder.js'
import { BpfMap } from '../maps/map.js'
import { typedMap } from '../maps/open-map.js'
import type { MapInfo, OpenFlags } from '../maps/types.js'
import { native } from '../native/binding.js'
import type { ProgramOptions } from '../programs/foreign.js'
import type { ProgramInfo } from '../programs/info.js'
import { Program } from '../programs/program.js'

/** A file of a BPF file system, and what the kernel reports about what is pinned to it. */
export type Pin = { readonly path: string } & (
  | { readonly kind: 'program'; readonly info: ProgramInfo }
  | { readonly kind: 'map'; readonly info: MapInfo }
  | { readonly kind: 'link'; readonly info: LinkInfo }
)

/**
 * Opens whatever is pinned to a file. Use `instanceof` to find out what it is. You close it.
 *
 * The keys and values of a map have the types of the BTF that it was created with; without BTF they are bytes. A link
 * detaches when it is closed, unless it is still pinned. (`bpf_obj_get`, Linux 4.4)
 *
 * @param options - `flags`: for maps, see {@link OpenFlags}; `section`: for programs, see {@link ProgramOptions};
 * `folder`: a descriptor of the folder that the path is relative to (Linux 6.5)
 *
 * @example
 * using pinned = openPin('/sys/fs/bpf/counts')
 * if (pinned instanceof BpfMap) for (const [key, value] of pinned) console.log(key, value)
 */
export function openPin(
  path: string,
  { flags = 0, folder = -1, ...options }: OpenFlags & ProgramOptions & PinFolder = {},
): Program | BpfMap<unknown, unknown> | Link {
  return withPin(path, { flags, folder }, (fd, kind) => {
    if (kind === 'prog') return Program.fromFd(fd, options)
    if (kind === 'map') return typedMap<unknown, unknown>(native.mapFromFd(fd))
    return Link.fromFd(fd)
  })
}

/**
 * Lists what is pinned to the files of a folder and of the folders in it, in the order of the paths. Files that disappear
 * while you iterate are skipped. (Linux 4.13; requires permission to read and write the files)
 *
 * @example
 * for (const { path, kind, info } of listPins()) console.log(path, kind, info.id)
 */
export function* listPins(folder = '/sys/fs/bpf'): Generator<Pin, undefined> {
  for (const path of filesIn(folder)) {
    try {
      yield withPin(path, {}, (fd, kind) => pinOf(path, fd, kind))
    } catch (error) {
      if (error instanceof BpfError && error.code === 'ENOENT') continue
      throw error
    }
  }
  return undefined
}

function pinOf(path: string, fd: number, kind: 'map' | 'prog' | 'link'): Pin {
  if (kind === 'prog') {
    using program = Program.fromFd(fd)
    return { path, kind: 'program', info: program.info() }
  }
  if (kind === 'map') {
    using map = BpfMap.fromFd(fd)
    return { path, kind, info: map.info() }
  }
  using link = Link.fromFd(fd)
  return { path, kind, info: link.info() }
}

function withPin<T>(
  path: string,
  { flags = 0, folder = -1 }: OpenFlags & PinFolder,
  use: (fd: number, kind: 'map' | 'prog' | 'link') => T,
): T {
  const subject = { what: `open the pin ${path}`, target: path, arguments: ['path', 'flags'] }
  const fd = attempt(subject, () => native.pinOpen(path, flags, folder))
  try {
    const kind = native.descriptorKind(fd)
    if (kind === undefined) {
      throw new BpfError(`${subject.what}: it is neither a program nor a map nor a link`, {
        code: 'ENOTSUP',
        target: path,
      })
    }
    return use(fd, kind)
  } finally {
    native.descriptorClose(fd)
  }
}

function* filesIn(folder: string): Generator<string, undefined> {
  const entries = readdirSync(folder, { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesIn(path)
    else if (entry.isFile()) yield path
  }
  return undefined
}
