import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BpfObject } from 'libbpf-node'
import { readObject } from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'
import { mapTypes } from '../../lib/native/map-types.js'

const root = fileURLToPath(new URL('../../dist', import.meta.url))
const objects = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.bpf.o'))
  .map((name) => join(root, name))

describe('readObject', () => {
  it('finds the programs and maps that libbpf finds, in every object', () => {
    let compared = 0
    for (const path of objects) {
      let object: BpfObject
      try {
        object = BpfObject.open(path)
      } catch {
        continue
      }
      using opened = object
      const read = readObject(readFileSync(path))
      const programs = read.functions.filter(({ isProgram }) => isProgram).map(({ name }) => name)
      expect(programs.sort(), path).toEqual([...opened.programs.keys()].sort())
      for (const map of read.maps) {
        const { type, keySize, valueSize, maxEntries, flags } = opened.map(map.name)
        if (type === 'struct_ops') continue
        const { name, ...declared } = map
        expect(
          {
            type: mapTypes[declared.type],
            keySize: declared.keySize,
            valueSize: declared.valueSize,
            maxEntries: declared.maxEntries,
            flags: declared.flags,
          },
          `${path} ${name}`,
        ).toEqual({ type, keySize, valueSize, maxEntries, flags })
        compared++
      }
    }
    expect(compared).toBeGreaterThan(50)
  })
})
