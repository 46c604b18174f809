import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../../helpers/kernel.js'
import { classifier, load } from './run.js'

describe('hashes and arrays', () => {
  it('are set, counted and deleted', () => {
    const { object, run, data } = load(
      classifier(
        'export const m = hash<u32, u64>(8)',
        'const isNew = m.setNew(1, 5); const again = m.setNew(1, 6); m.setExisting(1, 7); m.add(2, 3); m.add(2, 4); out = (isNew ? 1 : 0) + (again ? 2 : 0) + (m.delete(9) ? 4 : 0)',
      ),
    )
    using _ = object
    run()
    expect(data.out).toBe(1n)
    expect([...object.map<number, bigint>('m')].sort()).toEqual([
      [1, 7n],
      [2, 7n],
    ])
  })

  it('have values for each CPU', () => {
    const { object, run } = load(
      classifier(
        'export const a = percpuArray<u64>(2)\nexport const h = lruPercpuHash<u32, u64>(4)',
        'a.add(1, 2); h.add(7, 1)',
      ),
    )
    using _ = object
    run()
    const values = object.map<number, bigint[]>('a').get(1)!
    expect(values.reduce((sum, value) => sum + value, 0n)).toBe(2n)
    expect(
      object
        .map<number, bigint[]>('h')
        .get(7)!
        .filter((value) => value === 1n),
    ).toHaveLength(1)
  })

  requiresKernel('5.19', 'give the value of another CPU', () => {
    const { object, run, data } = load(
      classifier('export const a = percpuArray<u64>(2)', 'const v = a.getOn(0, 1); if (v) out = v.value + 1'),
    )
    using _ = object
    const a = object.map<number, bigint[]>('a')
    a.set(
      1,
      a.get(1)!.map((_, cpu) => (cpu === 0 ? 41n : 7n)),
    )
    run()
    expect(data.out).toBe(42n)
  })

  requiresKernel('5.13', 'call a function for each element', () => {
    const { object, run, data } = load(
      classifier(
        'export let seen = data<u64>(0)\nexport const h = hash<u32, u64>(8)',
        'h.set(1, 10); h.set(2, 20); h.set(3, 30); out = u64(h.forEach((key, value) => { seen += key.value; value.value += 1; return 0 }))',
      ),
    )
    using _ = object
    run()
    expect(data).toMatchObject({ out: 3n, seen: 6n })
    expect(object.map<number, bigint>('h').get(2)).toBe(21n)
  })
})

describe('an LPM trie', () => {
  it('finds the longest prefix, with keys that user space writes as networks', () => {
    const { object, run, data } = load(
      classifier(
        'interface Key { prefixlen: u32; address: bytes<4> }\nexport const routes = lpmTrie<Key, u64>(16)',
        'const key: Key = { prefixlen: 32, address: [10, 1, 2, 3] }; const found = routes.get(key); if (found) out = found.value',
      ),
    )
    using _ = object
    const routes = object.map<{ prefixlen: number; address: Uint8Array }, bigint>('routes')
    routes.set({ prefixlen: 8, address: Uint8Array.of(10, 0, 0, 0) }, 1n)
    routes.set({ prefixlen: 16, address: Uint8Array.of(10, 1, 0, 0) }, 2n)
    routes.set({ prefixlen: 16, address: Uint8Array.of(10, 2, 0, 0) }, 3n)
    run()
    expect(data.out).toBe(2n)
  })

  it('counts where the address of the number is aligned', () => {
    const { object, run } = load(
      classifier(
        `interface V4 { prefixlen: u32; address: be32 }
         interface V6 { prefixlen: u32; address: bytes<16> }
         interface Both { first: u32; second: u32 }
         export const four = lpmTrie<V4, Both>(4)
         export const six = lpmTrie<V6, u64>(4)`,
        `const a: V4 = { prefixlen: 32, address: 1 }
         const found = four.get(a)
         if (!found) return 1
         found.second += 3
         const b: V6 = zero()
         six.add(b, 5)`,
      ),
    )
    using _ = object
    const four = object.map<{ prefixlen: number; address: number }, { first: number; second: number }>('four')
    four.set({ prefixlen: 0, address: 0 }, { first: 1, second: 0 })
    run()
    run()
    expect(four.get({ prefixlen: 0, address: 0 })).toEqual({ first: 1, second: 6 })
    expect([...object.map('six').values()]).toEqual([10n])
  })
})

describe('queues and stacks', () => {
  it('give their values in their order', () => {
    const { object, run, data } = load(
      classifier(
        'export const q = queue<u64>(4)\nexport const s = stack<u64>(4)',
        `for (const i of range(3)) { q.push(u64(i) + 1); s.push(u64(i) + 1) }
         const a = q.pop(); const b = s.pop(); const c = q.peek(); const d = s.peek()
         if (a && b && c && d) out = a.value * 1000 + b.value * 100 + c.value * 10 + d.value
         if (!q.push(1)) return 1
         if (!q.push(1)) return 2
         if (q.push(1)) return 3`,
      ),
    )
    using _ = object
    expect(run()).toBe(0)
    expect(data.out).toBe(1322n)
  })

  it('are empty at first', () => {
    const { object, run } = load(
      classifier('export const q = queue<u64>(4)', 'const a = q.pop(); if (a) return 1; return 7'),
    )
    using _ = object
    expect(run()).toBe(7)
  })
})

describe('a bloom filter', () => {
  requiresKernel('5.16', 'knows what was added', () => {
    const { object, run } = load(
      classifier(
        'export const seen = bloomFilter<u64>(1000, { hashes: 3 })',
        'seen.add(5); return (seen.has(5) ? 1 : 0) + (seen.has(99) ? 2 : 0)',
      ),
    )
    using _ = object
    expect(run()).toBe(1)
  })
})

describe('maps of maps', () => {
  it('give a map, which user space has put there', () => {
    const { object, run, data } = load(
      classifier(
        'export const outer = hashOfMaps<u32>(8, hash<u32, u64>(16))\nexport const list = arrayOfMaps(4, array<u64>(2))',
        `const inner = outer.get(3)
         if (!inner) return 1
         inner.add(1, 5)
         const second = list.get(2)
         if (!second) return 2
         const value = second.get(1)
         if (value) out = value.value`,
      ),
    )
    using _ = object
    expect(run()).toBe(1)
    const outer = object.map<number, unknown>('outer')
    using inner = outer.createInner()
    outer.set(3, inner as never)
    expect(run()).toBe(2)
    const list = object.map<number, unknown>('list')
    using second = list.createInner()
    second.set(1 as never, 42n as never)
    list.set(2, second as never)
    expect(run()).toBe(0)
    expect(data.out).toBe(42n)
    expect(inner.get(1 as never)).toBe(10n)
  })
})

describe('the options of a map', () => {
  it('become its flags, and its place', () => {
    const { object } = load(
      classifier(
        'export const m = hash<u32, u64>(8, { noPrealloc: true, readOnlyForPrograms: true, numaNode: 0 })',
        'm.get(1)',
      ),
    )
    using _ = object
    expect(object.map('m').info()).toMatchObject({ flags: (1 << 0) | (1 << 7) | (1 << 2) })
  })
})
