import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import {
  BpfMap,
  type BpfObject,
  btfs,
  enableStats,
  linkInfo,
  links,
  mapInfo,
  maps,
  openMap,
  possibleCpus,
  programInfo,
  programs,
} from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { loadOnly, useVeth } from '../attach/surroundings.js'
import { bpftoolJson, comparesWithBpftool } from '../helpers/bpftool.js'
import { asNobody, copyForEveryone, runChild } from '../helpers/child.js'
import { kernelIs } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'
import { useCgroup, useTracefs } from '../helpers/privileged.js'

/** What bpftool reports about those that this test has loaded. */
function listed<T extends { id: number }>(kind: string, ids: number[]): T[] {
  return bpftoolJson<T[]>(kind, 'list').filter(({ id }) => ids.includes(id))
}

/** What bpftool prints for an entry. */
interface Dumped {
  key: string[]
  value?: string[] | { error: string }
  values?: { value: string[] }[]
}

/** ['0x0a', '0x0b'] -> '0a0b' */
const digits = (list: string[]): string => list.map((byte) => byte.slice(2)).join('')

/** A value as the kernel has it: for per-CPU maps padded to a multiple of 8 bytes for each CPU. */
function valueIn({ value, values }: Dumped): string {
  if (values === undefined) return digits(value as string[])
  return values.map(({ value }) => digits(value).padEnd(Math.ceil(value.length / 8) * 16, '0')).join('')
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Puts three entries into a map. */
function fill(map: BpfMap): void {
  const isPerCpu = map.type.includes('percpu')
  const room = isPerCpu ? Math.ceil(map.valueSize / 8) * 8 : map.valueSize
  for (const byte of [1, 2, 3]) {
    // LPM tries begin with a prefix length: 32 bits.
    const key = new Uint8Array(map.keySize).fill(map.type === 'lpm_trie' ? 0 : byte)
    if (map.type === 'lpm_trie') key.set([32, 0, 0, 0, 10, 0, 0, byte])
    const value = new Uint8Array(room * (isPerCpu ? possibleCpus() : 1))
    for (let at = 0; at < value.length; at += room) value.fill(byte + at, at, at + map.valueSize)
    map.raw.set(key, value)
  }
}

const programIds = (object: BpfObject): number[] =>
  [...object.programs.values()].filter(({ loaded }) => loaded).map(({ id }) => id)

describe('listPrograms', () => {
  comparesWithBpftool('are those of bpftool prog list', () => {
    using object = load('programs')
    const ids = programIds(object)
    const ours = [...programs({ holders: true })].filter(({ id }) => ids.includes(id))
    expect(ours.length).toBe(ids.length)
    const theirs = listed<Record<string, unknown> & { id: number }>('prog', ids)
    for (const [i, info] of ours.entries()) {
      expect(theirs[i]).toMatchObject({
        id: info.id,
        type: info.type,
        name: info.name,
        tag: info.tag,
        gpl_compatible: info.gplCompatible,
        uid: info.createdByUid,
        bytes_xlated: info.xlatedSize,
        jited: info.jitedSize > 0,
        ...(info.jitedSize > 0 && { bytes_jited: info.jitedSize }),
        ...(info.mapIds.length > 0 && { map_ids: info.mapIds }),
        btf_id: info.btfId,
      })
      expect(info.holders?.map(({ pid }) => pid)).toContain(process.pid)
    }
  })

  it('skips programs that disappear in the meantime', () => {
    const object = load('programs')
    const ids = programIds(object)
    const iterator = programs()
    let step = iterator.next()
    while (!step.done && step.value.id < ids[0]!) step = iterator.next()
    expect(step.value?.id).toBe(ids[0])
    object.close()
    expect([...iterator].map(({ id }) => id).filter((id) => ids.includes(id)).length).toBeLessThan(ids.length)
  })

  it('has infos by id that say which id does not exist', () => {
    expect(() => programInfo(0xffffffff)).toThrow(
      'read program 4294967295: nothing with that id exists (any more) (ENOENT)',
    )
    expect(() => mapInfo(0xffffffff)).toThrow('nothing with that id exists (any more) (ENOENT)')
    expect(() => linkInfo(0xffffffff)).toThrow('nothing with that id exists (any more) (ENOENT)')
  })

  it('leaks no descriptor', () => {
    using object = load('links')
    using _link = object.program('raw_tracepoint').attach()
    const before = readdirSync('/proc/self/fd').length
    for (const list of [programs, maps, links, btfs])
      expect([...list({ holders: true })].length).toBeGreaterThan(0)
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })

  it('names the missing capability', async () => {
    using copy = copyForEveryone()
    const under = asNobody()
    const child = await runChild(
      `import { programs } from 'libbpf-node'
       try { [...programs()] } catch (error) { console.log(error.code, error.message) }`,
      [],
      { cwd: copy.path, under },
    )
    expect(child.stdout).toMatch(
      /^EPERM list the ids of all programs: not permitted, the process lacks CAP_SYS_ADMIN/,
    )
  })
})

describe('listMaps', () => {
  comparesWithBpftool('are those of bpftool map list', () => {
    using object = load('maps')
    const ids = [...object.maps.values()].map(({ id }) => id)
    const ours = [...maps()].filter(({ id }) => ids.includes(id))
    const theirs = listed<Record<string, unknown> & { id: number }>('map', ids)
    expect(ours.length).toBe(ids.length)
    for (const [i, info] of ours.entries()) {
      expect(theirs[i]).toMatchObject({
        id: info.id,
        type: info.type,
        name: info.name,
        flags: info.flags,
        bytes_key: info.keySize,
        bytes_value: info.valueSize,
        max_entries: info.maxEntries,
      })
    }
  })

  const filled = ['points', 'by_point', 'recent', 'cpu_hash', 'cpu_recent', 'routes', 'bytes']
  const withEntries: [object: string, maps: string[], since?: string][] = [
    ['maps', [...filled, 'numbers', 'cpu_array']],
    ['globals', ['.bss', '.data', '.rodata', '.kconfig']],
    ['tail-calls', ['jumps', 'plain']],
    ['congestion', ['my_ops'], '6.4'],
  ]
  for (const [name, names, since] of withEntries) {
    comparesWithBpftool(
      `of ${name}.bpf.o hold what bpftool map dump shows, byte by byte`,
      () => {
        using object = load(name)
        for (const map of names.map((name) => object.map(name))) {
          if (filled.includes(map.name)) fill(map)
          using opened = openMap(map.id)
          const ours = [...opened.raw].map(([key, value]) => [hex(key), hex(value)])
          const theirs = bpftoolJson<Dumped[]>('map', 'dump', 'id', String(map.id))
          // bpftool reports an error for an empty slot of a program array.
          const present = theirs.filter(({ value }) => value === undefined || Array.isArray(value))
          expect([map.name, ours]).toEqual([
            map.name,
            present.map((entry) => [digits(entry.key), valueIn(entry)]),
          ])
          expect(ours.length).toBe(filled.includes(map.name) ? 3 : present.length)
        }
      },
      since,
    )
  }

  it('finds the holders, and none for a map that is only pinned', () => {
    using map = BpfMap.create({ type: 'array', name: 'held', keySize: 4, valueSize: 4, maxEntries: 1 })
    const [found] = [...maps({ holders: true })].filter(({ id }) => id === map.id)
    expect(found?.holders).toEqual([{ pid: process.pid, comm: expect.any(String) }])
    expect([...maps()][0]).not.toHaveProperty('holders')
  })
})

describe('listLinks', () => {
  useTracefs()
  const cgroup = useCgroup()
  const veth = useVeth()

  comparesWithBpftool('are those of bpftool link list', () => {
    using object = load('links')
    using net = loadOnly('attach-net', ['xdp_pass', 'dissect', 'tcx_egress', 'cgroup_egress'])
    const made = [
      object.program('raw_tracepoint').attach(),
      object.program('tracing').attach(),
      object.program('says_one').attach(),
      net.program('xdp_pass').attachXdp(veth.name),
      net.program('cgroup_egress').attachCgroup(cgroup()),
      // Tracepoints have kernel links since Linux 5.15.
      ...(kernelIs('5.15') ? [object.program('tracepoint').attach()] : []),
      ...(kernelIs('6.6') ? [net.program('tcx_egress').attachTcx(veth.name)] : []),
    ]
    const infos = made.map((link) => link.info())
    const ids = infos.map(({ id }) => id)
    expect([...links()].filter(({ id }) => ids.includes(id))).toEqual(infos)
    const theirs = listed<Record<string, unknown> & { id: number }>('link', ids)
    expect(theirs.map(({ id }) => id)).toEqual(ids)
    for (const [i, info] of infos.entries()) {
      const named = info as unknown as Record<string, unknown>
      expect(theirs[i]).toMatchObject({ id: info.id, prog_id: info.programId })
      // An older bpftool prints a newer type as a number.
      if (typeof theirs[i]!.type === 'string') expect(theirs[i]!.type).toBe(info.type)
      for (const [their, our] of [
        ['tp_name', 'name'],
        ['target_name', 'name'],
        ['cgroup_id', 'cgroupId'],
        ['ifindex', 'ifindex'],
      ] as const) {
        if (theirs[i]![their] !== undefined) expect(String(theirs[i]![their])).toBe(String(named[our]))
      }
    }
  })
})

describe('listBtfs', () => {
  comparesWithBpftool('are those of bpftool btf list', () => {
    using object = load('programs')
    const { btfId } = object.programs.values().next().value!.info()
    const theirs = bpftoolJson<{ id: number; size: number; kernel?: boolean; name?: string }[]>('btf', 'list')
    const own = [...btfs()].filter(({ id, isKernel }) => isKernel || id === btfId)
    // The kernel's own BTF has an id since Linux 5.11.
    expect(own.length).toBeGreaterThanOrEqual(kernelIs('5.11') ? 2 : 1)
    for (const { id, size, isKernel, name } of own) {
      const their = theirs.find((btf) => btf.id === id)
      expect([their?.size, their?.kernel ?? isKernel, their?.name ?? '']).toEqual([size, isKernel, name])
    }
  })
})

describe('enableStats', () => {
  it('counts runs until it is closed', () => {
    using object = load('links')
    const program = object.program('raw_tracepoint')
    using _link = program.attach()
    const stats = enableStats()
    execFileSync('true')
    stats.close()
    stats.close()
    const { runCount, runTimeNs } = program.info()
    expect(runCount).toBeGreaterThan(0n)
    expect(runTimeNs).toBeGreaterThan(0n)
    execFileSync('true')
    expect(program.info().runCount).toBe(runCount)
  })
})
