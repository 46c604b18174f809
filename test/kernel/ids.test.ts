import { BpfMap, ids, type Kind, libbpfVersion, possibleCpus, setMemlockRlimit } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { load } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

describe('ids', () => {
  it.each<Kind>(['program', 'map', 'link', 'btf'])('of %s go up, and are those of what is loaded', (kind) => {
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

  it('are gone when their object is', async () => {
    const map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    const { id } = map
    expect([...ids('map')]).toContain(id)
    map.close()
    await until('the map is gone', () => ![...ids('map')].includes(id))
  })

  it('come one at a time, as they are asked for', () => {
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    const iterator = ids('map')
    const { value } = iterator.next()
    expect(value).toBeLessThanOrEqual(map.id)
    expect(iterator.return(undefined)).toEqual({ done: true, value: undefined })
  })

  it('know their kinds', () => {
    expect(() => [...ids('prog' as Kind)]).toThrow(
      "kind 'prog' does not exist; the kinds are program, map, link, btf",
    )
  })
})

describe('what is inside', () => {
  it('is libbpf, 1.5 or newer', () => {
    const [, major, minor] = /^v(\d+)\.(\d+)$/.exec(libbpfVersion())!
    expect(Number(major) * 100 + Number(minor)).toBeGreaterThanOrEqual(105)
  })

  it('knows how many CPUs there can be', () => {
    expect(possibleCpus()).toBeGreaterThanOrEqual(1)
    expect(Number.isInteger(possibleCpus())).toBe(true)
  })

  it('is told how much memory it may lock, as a number of bytes', async () => {
    expect(() => setMemlockRlimit('1' as never)).toThrow(TypeError)
    expect(() => setMemlockRlimit(-1)).toThrow(RangeError)
    // Before Linux 5.11 libbpf sets it itself when it loads, and only once.
    const child = await runChild("import { setMemlockRlimit } from 'libbpf-node'; setMemlockRlimit(0)")
    expect(child).toMatchObject({ status: 0, stderr: '' })
  })
})
