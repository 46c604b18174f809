// Finds programs and libraries in the file systems of other processes.
import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, statfsSync } from 'node:fs'
import { basename } from 'node:path'

/** A file that is open, so that it stays the same whatever the container does to its path. */
export interface OpenedFile extends Disposable {
  /** The path by which this process finds the file as long as it is open. */
  readonly path: string
  /** Equal for all paths that are one file for the kernel's probes. */
  readonly identity: string
  /** The path of the file for the process. */
  readonly place: string
}

const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as 'x64' | 'arm64'] ?? process.arch
const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const libraryFolders = [
  ...['/usr/local/lib', `/lib/${machine}-linux-gnu`, `/usr/lib/${machine}-linux-gnu`],
  ...['/lib64', '/usr/lib64', '/lib', '/usr/lib'],
]

/**
 * Finds a program or library for a process: the file that it runs or has mapped, or the one that it would find.
 *
 * @param proc - where procfs is mounted
 * @param binary - a path in the file system of the process, or a name that is looked for where distributions put it
 * @returns `undefined` if the process has none, or has ended
 */
export function findFile(proc: string, pid: number, binary: string): OpenedFile | undefined {
  const own = `${proc}/${pid}`
  const root = readLink(`${own}/root`)
  const exe = readLink(`${own}/exe`)
  // Neither threads of the kernel nor zombies have a program.
  if (root === undefined || exe === undefined) return undefined
  const inRoot = (path: string): string => {
    const kept = path.replace(/ \(deleted\)$/, '')
    return root !== '/' && kept.startsWith(`${root}/`) ? kept.slice(root.length) : kept
  }
  const program = inRoot(exe)
  if (isNamed(program, binary)) {
    const found = open(`${own}/exe`, program)
    if (found !== undefined) return found
  }
  for (const { range, path } of mappedFiles(own)) {
    const place = inRoot(path)
    if (!isNamed(place, binary)) continue
    // The first of them needs CAP_CHECKPOINT_RESTORE, and finds files that were removed, too.
    const found = open(`${own}/map_files/${range}`, place) ?? openInRoot(own, place)
    if (found !== undefined) return found
  }
  for (const path of placesOf(binary)) {
    const found = openInRoot(own, path)
    if (found !== undefined) return found
  }
  return undefined
}

const isLibrary = (name: string): boolean => /\.so(\.|$)/.test(name)

const placesOf = (binary: string): string[] =>
  binary.includes('/')
    ? [binary]
    : (isLibrary(binary) ? libraryFolders : programFolders).map((folder) => `${folder}/${binary}`)

/** libssl.so.3 can be a link to libssl.so.3.0.17, and the latter is what is mapped. */
function isNamed(path: string, binary: string): boolean {
  if (binary.includes('/')) return path === binary
  const name = basename(path)
  return name === binary || (isLibrary(binary) && name.startsWith(`${binary}.`))
}

function* mappedFiles(own: string): Generator<{ range: string; path: string }> {
  let maps: string
  try {
    maps = readFileSync(`${own}/maps`, 'utf8')
  } catch {
    return
  }
  const ranges = maps.matchAll(/^0*([0-9a-f]+)-0*([0-9a-f]+) ..x. \S+ \S+ \d+ +(\/.*)$/gm)
  for (const [, begin, end, path = ''] of ranges) yield { range: `${begin}-${end}`, path }
}

function openInRoot(own: string, path: string): OpenedFile | undefined {
  const resolved = resolveIn(`${own}/root`, path)
  return resolved === undefined ? undefined : open(`${own}/root${resolved}`, resolved)
}

/** As many links as the kernel follows. */
const mostLinks = 40

/**
 * Follows symbolic links like a process with this root: they cannot lead out of it. (The kernel would follow absolute
 * links from our root.)
 */
function resolveIn(root: string, path: string): string | undefined {
  const left = path.split('/').reverse()
  let resolved: string[] = []
  let links = 0
  while (left.length > 0) {
    const part = left.pop()!
    if (part === '' || part === '.') continue
    if (part === '..') {
      resolved.pop()
      continue
    }
    const target = readLink(`${root}/${[...resolved, part].join('/')}`)
    if (target === undefined) {
      resolved.push(part)
      continue
    }
    if (++links > mostLinks) return undefined
    if (target.startsWith('/')) resolved = []
    left.push(...target.split('/').reverse())
  }
  return `/${resolved.join('/')}`
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

function open(path: string, place: string): OpenedFile | undefined {
  // The links of procfs are the last part of their paths. Anything else has been resolved.
  const isOfProc = /\/(?:exe|map_files\/[^/]+)$/.test(path)
  let fd: number
  try {
    // A container can put a pipe or a link there at any moment.
    fd = openSync(
      path,
      constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | (isOfProc ? 0 : constants.O_NOFOLLOW),
    )
  } catch {
    return undefined
  }
  const stat = fstatSync(fd, { bigint: true })
  if (!stat.isFile()) {
    closeSync(fd)
    return undefined
  }
  const self = `/proc/self/fd/${fd}`
  const { dev, ino, size, mtimeNs, ctimeNs } = stat
  // The containers of an image share its files. overlayfs gives each container a device of its own, but a probe is
  // attached to the file below, and so to all of them: it must not be attached twice. A container that changes such a
  // file gets a copy, which has another ctime.
  const isOverlay = statfsSync(self).type === 0x794c7630
  const identity = isOverlay ? `overlay ${ino} ${size} ${mtimeNs} ${ctimeNs}` : `${dev} ${ino}`
  return { path: self, identity, place, [Symbol.dispose]: () => closeSync(fd) }
}
