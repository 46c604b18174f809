// Names for the numbers that programs record.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, join } from 'node:path'
import { errnoName } from '../errors/errno.js'

/**
 * The name of an error that a system call or a kernel function returned.
 *
 * @param result - a negative result, such as -13, or a positive errno
 * @returns 'EACCES'; `undefined` if no error has this number
 */
export function errorName(result: number | bigint): string | undefined {
  const errno = Math.abs(Number(result))
  const name = errnoName(errno)
  return errno > 0 && errno < 4096 && !/^errno |^LIBBPF/.test(name) ? name : undefined
}

const signals = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
)

/** The name of a signal, such as 'SIGKILL' for 9; `SIGRTMIN+2` for real-time signals; `undefined` if there is none. */
export function signalName(signal: number): string | undefined {
  if (signal >= 34 && signal <= 64) return signal === 34 ? 'SIGRTMIN' : `SIGRTMIN+${signal - 34}`
  return signals.get(signal)
}

/** The name of a network interface in the network namespace that /sys shows; `undefined` if it is gone. */
export function interfaceName(index: number): string | undefined {
  const folder = '/sys/class/net'
  return entriesOf(folder).find((name) => readOr('', `${folder}/${name}/ifindex`).trim() === String(index))
}

/**
 * The major and minor number of a device, from a `dev_t` of the kernel, and the name of the block device, if there is
 * one now: `{ major: 8, minor: 1, name: 'sda1' }`.
 */
export function device(dev: number): { major: number; minor: number; name: string | undefined } {
  const [major, minor] = [dev >>> 20, dev & 0xfffff]
  try {
    return { major, minor, name: basename(readlinkSync(`/sys/dev/block/${major}:${minor}`)) }
  } catch {
    return { major, minor, name: undefined }
  }
}

/** Paths below a mount point by the id of the cgroup. */
const cgroups = new Map<bigint, string>()
let mountPoint: string | undefined

/**
 * The path of a cgroup below the mount point of cgroup v2, such as '/system.slice/cron.service'; '/' for the root;
 * `undefined` if it is gone. Paths are remembered, so a cgroup that was looked up while it existed keeps its name.
 *
 * @param id - what `bpf_get_current_cgroup_id()` returned
 */
export function cgroupPath(id: bigint | number): string | undefined {
  const wanted = BigInt(id)
  if (!cgroups.has(wanted)) {
    mountPoint ??= /^\S+ (\S+) cgroup2 /m.exec(readOr('', '/proc/self/mounts'))?.[1]
    if (mountPoint !== undefined) readCgroups(mountPoint, '/')
  }
  return cgroups.get(wanted)
}

/** The id of a cgroup by its directory: what `bpf_get_current_cgroup_id()` returns for its processes. */
export function cgroupId(folder: string): bigint {
  return statSync(folder, { bigint: true }).ino
}

/** The number of a cgroup's directory is its id. */
function readCgroups(mount: string, path: string): void {
  const folder = join(mount, path)
  try {
    cgroups.set(cgroupId(folder), path)
  } catch {
    return
  }
  for (const name of entriesOf(folder, true)) readCgroups(mount, join(path, name))
}

function entriesOf(folder: string, onlyFolders = false): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !onlyFolders || entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}

function readOr(fallback: string, path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return fallback
  }
}
