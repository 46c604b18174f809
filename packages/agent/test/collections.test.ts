// The programs that come with the agent, on every kernel that the suite runs on.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BpfObject } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { useTracefs } from '../../../test/helpers/privileged.js'
import type { ProgramConfig } from '../lib/config/types.js'

const folder = fileURLToPath(new URL('../collections', import.meta.url))
const names = readdirSync(folder).filter((name) => name.endsWith('.bpf.o'))

describe('the programs that come with the agent', () => {
  useTracefs()

  it('are there', () => expect(names.length).toBeGreaterThan(4))

  it.each(names)(
    '%s loads, attaches, and has the maps and types that its configuration names',
    async (name) => {
      const text = readFileSync(`${folder}/${name.replace('.bpf.o', '.yaml')}`, 'utf8')
      const { metrics = {}, events = [] } = parse(text) as ProgramConfig
      using object = BpfObject.open(`${folder}/${name}`)
      await object.load()
      // Those for cgroups are attached to a folder.
      const own = [...object.programs.values()].filter(({ type }) => !type.startsWith('cgroup_'))
      expect(object.attach().length).toBe(own.length)
      for (const { map, name: metric } of Object.values(metrics).flat())
        expect(object.map(map ?? metric).maxEntries).toBeGreaterThan(0)
      for (const { map, type, labels = [] } of events) {
        using ring = object.ringBuffer(map, type)
        expect(ring.lost).toBe(0n)
        const struct = object.types.find(type, 'struct')
        const members = struct?.kind === 'struct' ? struct.members.map((member) => member.name) : []
        for (const { name, member = name } of labels) expect(members).toContain(member)
      }
    },
  )
})
