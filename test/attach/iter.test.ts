import { mkdirSync, rmdirSync, statSync } from 'node:fs'
import { type IterOptions, Pidfd } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { useCgroup } from '../helpers/privileged.js'
import { loadOnly } from './surroundings.js'

const cgroup = useCgroup()

describe('attachIter', () => {
  it('goes over all tasks each time it is read', async () => {
    using object = loadOnly('attach-iter', ['tasks'])
    using link = object.program('tasks').attachIter()
    for (let i = 0; i < 2; i++) {
      const lines = []
      for await (const line of link.lines()) lines.push(line)
      expect(lines.some((line) => line.startsWith(`${process.pid} ${process.pid} `))).toBe(true)
      expect(lines.length).toBeGreaterThan(1)
    }
    expect(link.info()).toMatchObject({ type: 'iter', name: 'task' })
  })

  requiresKernel('6.1', 'goes over the threads of a process', async () => {
    using object = loadOnly('attach-iter', ['tasks'])
    using link = object.program('tasks').attachIter({ pid: process.pid })
    const tasks = (await link.text()).trim().split('\n')
    // Threads of libuv and V8.
    expect(tasks.length).toBeGreaterThan(4)
    expect(tasks.every((task) => task.startsWith(`${process.pid} `))).toBe(true)
    using one = object.program('tasks').attachIter({ tid: process.pid })
    expect(await one.text()).toMatch(new RegExp(`^${process.pid} ${process.pid} \\S+\\n$`))
    expect(one.info()).toMatchObject({ name: 'task', tid: process.pid })
  })

  requiresKernel('6.1', 'goes over the threads of a process given by a pidfd', async () => {
    using object = loadOnly('attach-iter', ['tasks'])
    using task = Pidfd.open(process.pid)
    using link = object.program('tasks').attachIter({ pidFd: task.fd })
    const tasks = (await link.text()).trim().split('\n')
    expect(tasks.length).toBeGreaterThan(4)
    expect(tasks.every((task) => task.startsWith(`${process.pid} `))).toBe(true)
    expect(link.info()).toMatchObject({ name: 'task', pid: process.pid })
    expect(() => object.program('tasks').attachIter({ pidFd: task.fd, pid: process.pid })).toThrow(TypeError)
  })

  requiresFeature(
    'mapElements',
    'goes over the elements of a map, as bytes, as a stream and as records',
    async () => {
      using object = loadOnly('attach-iter', ['entries'])
      const numbers = object.map<number, number>('numbers')
      // More than one read returns, and a read does not end at the end of a record.
      const count = 9001
      for (let i = 0; i < count; i++) numbers.set(i, i * i)
      using link = object.program('entries').attachIter({ map: numbers })
      expect(link.info()).toMatchObject({ name: 'bpf_map_elem', mapId: numbers.id })

      const records = new Map<number, number>()
      for await (const { key, value } of link.records<{ key: number; value: number }>(object.codec('entry')))
        records.set(key, value)
      expect(records.size).toBe(count)
      expect(records.get(9000)).toBe(81_000_000)

      let bytes = 0
      for await (const chunk of link.bytes()) bytes += chunk.length
      expect(bytes).toBe(8 * count)

      let streamed = 0
      for await (const chunk of link.stream()) streamed += (chunk as Uint8Array).length
      expect(streamed).toBe(8 * count)
    },
  )

  requiresFeature('mapElements', 'closes its descriptor when the loop is left early', async () => {
    using object = loadOnly('attach-iter', ['entries'])
    const numbers = object.map<number, number>('numbers')
    for (let i = 0; i < 9000; i++) numbers.set(i, i)
    using link = object.program('entries').attachIter({ map: numbers })
    for await (const { key } of link.records<{ key: number }>(object.codec('entry'))) {
      expect(key).toBeGreaterThanOrEqual(0)
      break
    }
    const stream = link.stream()
    await new Promise((resolve) => stream.once('data', resolve))
    stream.destroy()
    await new Promise((resolve) => stream.once('close', resolve))
  })

  requiresKernel('6.1', 'goes over cgroups in the requested order', async () => {
    using object = loadOnly('attach-iter', ['cgroups'])
    const child = `${cgroup()}/child`
    mkdirSync(child)
    try {
      const ids = [cgroup(), child].map((path) => String(statSync(path).ino))
      const read = async (cgroupOrder: NonNullable<IterOptions['cgroupOrder']>, from = cgroup()) => {
        using link = object.program('cgroups').attachIter({ cgroup: from, cgroupOrder })
        return (await link.text()).trim().split('\n')
      }
      expect(await read('descendants_pre')).toEqual(ids)
      expect(await read('descendants_post')).toEqual([...ids].reverse())
      expect(await read('self_only')).toEqual(ids.slice(0, 1))
      // Up to the root of the hierarchy, which a container does not see.
      const up = await read('ancestors_up', child)
      expect(up.slice(0, 2)).toEqual([...ids].reverse())
      expect(up.length).toBeGreaterThan(2)
      expect(await read('ancestors_up')).toEqual(up.slice(1))
      const cgroupId = statSync(cgroup(), { bigint: true }).ino
      using link = object.program('cgroups').attachIter({ cgroupId })
      expect((await link.text()).trim().split('\n')).toEqual(ids)
      expect(link.info()).toMatchObject({ name: 'cgroup', cgroupId })
    } finally {
      rmdirSync(child)
    }
  })

  requiresFeature('mapElements', 'explains missing and conflicting options', () => {
    using object = loadOnly('attach-iter', ['entries', 'tasks'])
    expect(() => object.program('entries').attachIter()).toThrow(
      'this iterator goes over the elements of a map: use attachIter({ map })',
    )
    expect(() => object.program('tasks').attachIter({ pid: 1, tid: 1 })).toThrow(TypeError)
  })

  requiresKernel('6.1', 'yields nothing for a process that does not exist', async () => {
    using object = loadOnly('attach-iter', ['tasks'])
    using link = object.program('tasks').attachIter({ pid: 2 ** 22 - 1 })
    expect(await link.text()).toBe('')
  })
})
