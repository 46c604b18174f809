import { readFileSync } from 'node:fs'

/** A mapping in the memory of a process: a line of /proc/PID/maps. */
export interface Mapping {
  readonly start: number
  readonly end: number
  readonly executable: boolean
  /** Where it begins in the file. */
  readonly offset: number
  /** The file system, as `major:minor`. For overlayfs and btrfs, stat() shows another one. */
  readonly device: string
  /** 0 without a file. */
  readonly inode: bigint
  /**
   * The kernel adds " (deleted)" if the file was removed or replaced. Other mappings may have a name such as `[vdso]`.
   */
  readonly path: string
  /** The name in /proc/PID/map_files. */
  readonly range: string
}

/**
 * An address as a number. Addresses of user space stay the same. Those of the kernel become negative, because they
 * would not be exact as positive numbers.
 */
export const addressNumber = (address: bigint): number => Number(BigInt.asIntN(64, address))

/** The text of /proc/PID/maps. @throws Error of the system call if it cannot be read */
export const readMaps = (pid: number): string => readFileSync(`/proc/${pid}/maps`, 'utf8')

/** Reads the format of /proc/PID/maps. @internal */
export function mappingsIn(maps: string): Mapping[] {
  const pattern = /^([0-9a-f]+)-([0-9a-f]+) ..(.). ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/s
  return maps.split('\n').flatMap((line) => {
    const [, start, end, x, offset, device = '', inode = '0', path = ''] = pattern.exec(line) ?? []
    if (start === undefined || end === undefined || offset === undefined) return []
    return {
      start: hex(start),
      end: hex(end),
      executable: x === 'x',
      offset: hex(offset),
      device,
      inode: BigInt(inode),
      // The kernel escapes only the newline.
      path: path.replaceAll('\\012', '\n'),
      // Without the zeros that pad short addresses.
      range: `${start.replace(/^0+(?=.)/, '')}-${end.replace(/^0+(?=.)/, '')}`,
    }
  })
}

const hex = (text: string): number =>
  text.length < 14 ? Number.parseInt(text, 16) : addressNumber(BigInt(`0x${text}`))
