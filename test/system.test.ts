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
  programInfo,
  programs,
} from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { bpftoolJson, comparesWithBpftool } from './helpers/bpftool.js'
import { asNobody, copyForEveryone, runChild } from './helpers/child.js'
import { kernelIs } from './helpers/kernel.js'
import { load } from './helpers/objects.js'

/** What bpftool says of those that this test has loaded. */
function listed<T extends { id: number }>(kind: string, ids: number[]): T[] {
  return bpftoolJson<T[]>(kind, 'list').filter(({ id }) => ids.includes(id))
}

const programIds = (object: BpfObject): number[] =>
  [...object.programs.values()].filter(({ loaded }) => loaded).map(({ id }) => id)

describe('programs()', () => {
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

  it('leave out what goes away meanwhile', () => {
    const object = load('programs')
    const ids = programIds(object)
    const iterator = programs()
    let step = iterator.next()
    while (!step.done && step.value.id < ids[0]!) step = iterator.next()
    expect(step.value?.id).toBe(ids[0])
    object.close()
    expect([...iterator].map(({ id }) => id).filter((id) => ids.includes(id)).length).toBeLessThan(ids.length)
  })

  it('say which there is none of', () => {
    expect(() => programInfo(0xffffffff)).toThrow(
      'read program 4294967295: there is none, or it is gone (ENOENT)',
    )
    expect(() => mapInfo(0xffffffff)).toThrow('there is none, or it is gone (ENOENT)')
    expect(() => linkInfo(0xffffffff)).toThrow('there is none, or it is gone (ENOENT)')
  })

  it('leave nothing open', () => {
    using object = load('links')
    using _link = object.program('raw_tracepoint').attach()
    const before = readdirSync('/proc/self/fd').length
    for (const list of [programs, maps, links, btfs])
      expect([...list({ holders: true })].length).toBeGreaterThan(0)
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })

  it('name the missing capability', async () => {
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

describe('maps()', () => {
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

  it('have holders, unless nobody has them', () => {
    using map = BpfMap.create({ type: 'array', name: 'held', keySize: 4, valueSize: 4, maxEntries: 1 })
    const [found] = [...maps({ holders: true })].filter(({ id }) => id === map.id)
    expect(found?.holders).toEqual([{ pid: process.pid, comm: expect.any(String) }])
    expect([...maps()][0]).not.toHaveProperty('holders')
  })
})

describe('links()', () => {
  comparesWithBpftool('are those of bpftool link list', () => {
    using object = load('links')
    using link = object.program('raw_tracepoint').attach()
    const info = link.info()
    expect([...links()]).toContainEqual(info)
    const [theirs] = listed<Record<string, unknown> & { id: number }>('link', [info.id])
    expect(theirs).toMatchObject({ id: info.id, type: info.type, prog_id: info.programId })
  })
})

describe('btfs()', () => {
  comparesWithBpftool('are those of bpftool btf list', () => {
    using object = load('programs')
    const { btfId } = object.programs.values().next().value!.info()
    const theirs = bpftoolJson<{ id: number; size: number; kernel?: boolean; name?: string }[]>('btf', 'list')
    const own = [...btfs()].filter(({ id, isKernel }) => isKernel || id === btfId)
    // The kernel's own has an id since 5.11.
    expect(own.length).toBeGreaterThanOrEqual(kernelIs('5.11') ? 2 : 1)
    for (const { id, size } of own) expect(theirs.find((btf) => btf.id === id)?.size).toBe(size)
  })
})

describe('enableStats()', () => {
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
