import { BpfMap, ids, type Kind, libbpfVersion, possibleCpus, setMemlockRlimit } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { load } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

describe('listIds', () => {
  it.each<Kind>(['program', 'map', 'link', 'btf'])('lists the ids of every %s in ascending order', (kind) => {
    using object = load('links')
    using link = object.program('raw_tracepoint').attach()
    const id = {
      program: () => object.program('raw_tracepoint').id,
      map: () => object.map('.bss').id,
      link: () => link.info().id,
      btf: () => object.program('raw_tracepoint').info().btfId,
    }[kind]()
    const all = [...ids(kind)]
    expect(all).toContain(id)
    expect(all).toEqual([...new Set(all)].sort((a, b) => a - b))
  })

  it('no longer lists an object that is closed', async () => {
    const map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    const { id } = map
    expect([...ids('map')]).toContain(id)
    map.close()
    await until('the map is gone', () => ![...ids('map')].includes(id))
  })

  it('asks the kernel for one id at a time', () => {
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    const iterator = ids('map')
    const { value } = iterator.next()
    expect(value).toBeLessThanOrEqual(map.id)
    expect(iterator.return(undefined)).toEqual({ done: true, value: undefined })
  })

  it('throws a TypeError for an unknown kind', () => {
    expect(() => [...ids('prog' as Kind)]).toThrow(
      "kind 'prog' does not exist; the kinds are program, map, link, btf",
    )
  })
})

describe('global functions', () => {
  it('libbpfVersion returns 1.5 or newer', () => {
    const [, major, minor] = /^v(\d+)\.(\d+)$/.exec(libbpfVersion())!
    expect(Number(major) * 100 + Number(minor)).toBeGreaterThanOrEqual(105)
  })

  it('possibleCpus returns the number of CPUs', () => {
    expect(possibleCpus()).toBeGreaterThanOrEqual(1)
    expect(Number.isInteger(possibleCpus())).toBe(true)
  })

  it('setMemlockRlimit accepts a number of bytes', async () => {
    expect(() => setMemlockRlimit('1' as never)).toThrow(TypeError)
    expect(() => setMemlockRlimit(-1)).toThrow(RangeError)
    // Before Linux 5.11 libbpf sets the limit itself when it loads, and only once.
    const child = await runChild("import { setMemlockRlimit } from 'libbpf-node'; setMemlockRlimit(0)")
    expect(child).toMatchObject({ status: 0, stderr: '' })
  })
})
