// Lists the programs of cgroups, no matter who attached them and how.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { withFd } from '../attach/file.js'
import { queryCgroup } from '../attach/query.js'
import { BpfError } from '../errors/errors.js'
import { foldersIn } from '../machine/read.js'
import { type AttachType, attachTypes } from '../native/type-names.js'

/** A program of a cgroup. */
export interface CgroupAttachment {
  programId: number
  attachType: AttachType
  /** What cgroups below may do; `none` if they may not attach any program. See {@link CgroupOptions.allow}. */
  allow: 'none' | 'override' | 'multi'
}

const types = attachTypes.filter((type) => type.startsWith('cgroup_') || type === 'lsm_cgroup')

/**
 * Lists the programs of a cgroup, for all attach types. (`bpf_prog_query_opts`, Linux 4.15; requires CAP_NET_ADMIN)
 *
 * @param cgroup - its folder, or a descriptor of it
 * @param options - `effective`: also the programs of the cgroups above that run there
 */
export function cgroupPrograms(
  cgroup: string | number,
  options: { effective?: boolean } = {},
): CgroupAttachment[] {
  return withFd(cgroup, `list the programs of cgroup ${cgroup}`, (fd) =>
    types.flatMap((attachType) => {
      try {
        const { programs, attachFlags } = queryCgroup(fd, attachType, options)
        const allow = attachFlags & 2 ? 'multi' : attachFlags & 1 ? 'override' : 'none'
        return programs.map(({ programId }) => ({ programId, attachType, allow }))
      } catch (error) {
        // The kernel has no such attach type.
        if (error instanceof BpfError && error.code === 'EINVAL') return []
        if (error instanceof BpfError && error.code === 'EBADF')
          throw new BpfError(
            `list the programs of cgroup ${cgroup}: it is not a folder of a cgroup v2 file system (EBADF)`,
            { code: 'EBADF', errno: 9, operation: 'bpf_prog_query_opts', target: String(cgroup) },
          )
        throw error
      }
    }),
  )
}

/**
 * Lists the programs of a cgroup and of those below it; cgroups without programs are left out. Cgroups that disappear
 * while you iterate are skipped.
 *
 * @param root - a folder; by default, where cgroup v2 is mounted
 */
export function* cgroupTree(
  root: string = mountPoint(),
  options: { effective?: boolean } = {},
): Generator<{ cgroup: string; programs: CgroupAttachment[] }, undefined> {
  let programs: CgroupAttachment[]
  try {
    programs = cgroupPrograms(root, options)
  } catch (error) {
    if (error instanceof BpfError && (error.code === 'ENOENT' || error.code === 'ENODEV')) return
    throw error
  }
  if (programs.length > 0) yield { cgroup: root, programs }
  for (const entry of foldersIn(root)) yield* cgroupTree(join(root, entry), options)
  return undefined
}

function mountPoint(): string {
  const [, found] = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'utf8')) ?? []
  if (found !== undefined) return found
  throw new BpfError('list the programs of cgroups: cgroup v2 is not mounted (ENOENT)', { code: 'ENOENT' })
}
