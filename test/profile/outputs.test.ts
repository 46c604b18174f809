// What a profile is written as. The samples are made up, so the outputs are known.
import { gunzipSync } from 'node:zlib'
import { type Frame, Profile } from 'libbpf-node/symbols'
import { describe, expect, it } from 'vitest'
import { frame, info, main, sample, sell } from '../helpers/profiles.js'
import { fieldsOf } from '../helpers/protobuf.js'

const evil = frame('</script><script>alert(1)</script>;{{data}}', 'jit', '[jit]')
const read = frame('vfs_read', 'kernel', '[kernel]')
const unnamed = frame(undefined, 'unknown', '/lib/libx.so')

const samples = [
  sample(3, read, sell, main),
  sample(2, sell, main),
  sample(1, evil, main),
  sample(1, unnamed),
]
const profile = new Profile(samples, info)

const at = (one: Frame, line: number, isInlined = false): Frame => ({
  ...one,
  source: { file: '/src/shop.c', line },
  ...(isInlined && { isInlined }),
})
const price = frame('price', 'file', '/bin/shop')
/** `price` was inlined into `sell` in one place, and called in another. */
const withLines = new Profile(
  [
    sample(4, at(price, 3, true), at(sell, 10), at(main, 20)),
    sample(2, at(price, 3, true), at(sell, 11), at(main, 20)),
    sample(1, at(price, 4), at(main, 21)),
  ],
  info,
)

type Node = [name: number, module: number, kind: number, total: number, self: number, before: number, Node[]]

/** The data in the page of a flame graph. */
function dataIn(page: string): { texts: string[]; root: Node; compares: boolean } {
  const [, json] = /<script id="data" type="application\/json">(.*)<\/script>/.exec(page)!
  return JSON.parse(json!)
}

describe('Profile.folded', () => {
  it('has a line for each stack, the outermost frame first', () => {
    expect(profile.folded()).toBe(
      'shop;[libx.so] 1\n' +
        'shop;main;</script><script>alert(1)</script>:{{data}} 1\n' +
        'shop;main;sell 2\n' +
        'shop;main;sell;vfs_read 3\n',
    )
  })

  it('marks frames of the kernel and those made at run time', () => {
    expect(profile.folded({ annotate: true })).toContain('sell;vfs_read_[k] 3\n')
    expect(profile.folded({ annotate: true })).toContain('{{data}}_[j] 1\n')
  })
})

describe('inlined functions', () => {
  it('are frames of their own in folded stacks, and have a mark', () => {
    expect(withLines.folded()).toBe('shop;main;price 1\nshop;main;sell;price 6\n')
    expect(withLines.folded({ annotate: true })).toContain('shop;main;sell;price_[i] 6\n')
    expect(withLines.hottest()[0]).toEqual({ name: 'price', module: '/bin/shop', self: 7, total: 7 })
  })

  it('are lines of the same location in pprof', () => {
    const top = fieldsOf(gunzipSync(withLines.pprof()))
    const messages = (field: number) => (top.get(field) as Uint8Array[]).map(fieldsOf)
    const strings = (top.get(6) as Uint8Array[]).map((bytes) => Buffer.from(bytes).toString())
    const functions = messages(5).map((one) => [2, 4].map((field) => strings[Number(one.get(field)![0])]))
    expect(functions).toEqual(['price', 'sell', 'main'].map((name) => [name, '/src/shop.c']))
    const lines = messages(4).map((location) =>
      location.get(4)!.map((line) => {
        const fields = fieldsOf(line as Uint8Array)
        return `${functions[Number(fields.get(1)![0]) - 1]![0]}:${fields.get(2)![0]}`
      }),
    )
    expect(lines).toEqual([
      ['price:3', 'sell:10'],
      ['main:20'],
      ['price:3', 'sell:11'],
      ['price:4'],
      ['main:21'],
    ])
    const stacks = messages(2).map((one) => [...(one.get(1)![0] as Uint8Array)])
    expect(stacks).toEqual([
      [1, 2],
      [3, 2],
      [4, 5],
    ])
    // It has functions, files, lines and inlined functions.
    expect(messages(3).map((one) => [7, 8, 9, 10].map((field) => one.get(field)?.[0]))).toEqual([
      [1n, 1n, 1n, 1n],
    ])
  })

  it('have the file of their source in speedscope', () => {
    const { shared, profiles } = withLines.speedscope()
    expect(shared.frames).toEqual(['price', 'sell', 'main'].map((name) => ({ name, file: '/src/shop.c' })))
    expect(profiles[0]!.samples).toEqual([
      [2, 1, 0],
      [2, 1, 0],
      [2, 0],
    ])
  })

  it('are not the same frame as a call of the function in the flame graph', () => {
    const page = withLines.flameGraph()
    const { texts, root } = dataIn(page)
    const tree = ([name, , kind, total, , , children]: Node): unknown => [
      texts[name],
      kind,
      total,
      children.map(tree),
    ]
    expect(tree(root[6][0]![6][0]!)).toEqual([
      'main',
      3,
      7,
      [
        ['sell', 3, 6, [['price', 6, 6, []]]],
        ['price', 3, 1, []],
      ],
    ])
  })
})

describe('Profile.hottest', () => {
  it('sums up functions, and counts one that calls itself once', () => {
    const again = new Profile([sample(5, sell, sell, main)], info)
    expect(again.hottest()).toEqual([
      { name: 'sell', module: '/bin/shop', self: 5, total: 5 },
      { name: 'main', module: '/bin/shop', self: 0, total: 5 },
    ])
    expect(profile.hottest()[0]).toEqual({ name: 'vfs_read', module: '[kernel]', self: 3, total: 3 })
  })
})

describe('Profile.pprof', () => {
  const top = fieldsOf(gunzipSync(profile.pprof()))
  const messages = (field: number) => (top.get(field) as Uint8Array[]).map(fieldsOf)
  const strings = (top.get(6) as Uint8Array[]).map((bytes) => Buffer.from(bytes).toString())
  const text = (value: unknown): string => strings[Number(value)]!

  it('says what it counts, and when', () => {
    expect(strings[0]).toBe('')
    const types = messages(1).map((type) => [text(type.get(1)![0]), text(type.get(2)![0])])
    expect(types).toEqual([
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ])
    expect(top.get(12)).toEqual([10_000_000n])
    expect(top.get(9)).toEqual([BigInt(info.began.getTime()) * 1_000_000n])
    expect(top.get(10)).toEqual([2_000_000_000n])
  })

  it('has the stacks with their names, the innermost first', () => {
    const functions = new Map(messages(5).map((one) => [one.get(1)![0], text(one.get(2)![0])]))
    const mappings = new Map(messages(3).map((one) => [one.get(1)![0], text(one.get(5)![0])]))
    const locations = new Map(
      messages(4).map((one) => {
        const line = fieldsOf(one.get(4)![0] as Uint8Array)
        return [one.get(1)![0], `${functions.get(line.get(1)![0]!)} ${mappings.get(one.get(2)![0]!)}`]
      }),
    )
    const packed = (bytes: Uint8Array): bigint[] => [...bytes].map(BigInt)
    const stacks = messages(2).map((one) => ({
      stack: packed(one.get(1)![0] as Uint8Array).map((id) => locations.get(id)),
      labels: one.get(3)!.map((label) => {
        const fields = fieldsOf(label as Uint8Array)
        return [text(fields.get(1)![0]), fields.has(2) ? text(fields.get(2)![0]) : fields.get(3)![0]]
      }),
    }))
    expect(stacks[0]).toEqual({
      stack: ['vfs_read [kernel]', 'sell /bin/shop', 'main /bin/shop'],
      labels: [
        ['comm', 'shop'],
        ['pid', 7n],
      ],
    })
    expect(stacks).toHaveLength(4)
  })
})

describe('Profile.speedscope', () => {
  it('has frames once, and stacks with the outermost first', () => {
    const { shared, profiles } = profile.speedscope()
    expect(shared.frames.map(({ name }) => name)).toEqual([
      'vfs_read',
      'sell',
      'main',
      evil.name,
      '[libx.so]',
    ])
    expect(profiles).toEqual([
      {
        type: 'sampled',
        name: 'shop',
        unit: 'none',
        startValue: 0,
        endValue: 7,
        samples: [[2, 1, 0], [2, 1], [2, 3], [4]],
        weights: [3, 2, 1, 1],
      },
    ])
  })
})

describe('Profile.flameGraph', () => {
  it('is one page that nothing in a name can break', () => {
    const page = profile.flameGraph({ title: 'A & <b>' })
    expect(page).toContain('<title>A &#38; &#60;b&#62;</title>')
    expect(page.match(/<script/g)).toHaveLength(2)
    expect(page).not.toMatch(/(src|href)="(?!data:)/)
    expect(dataIn(page).texts).toContain(evil.name)
    expect(page).toContain('7 samples at 100 Hz in 2.0 s from 2026-01-02T03:04:05.000Z')
  })

  it('compares with an earlier profile, whose values are scaled to the same sum', () => {
    const earlier = new Profile([sample(1, sell, main), sample(1, main)], info)
    const { root, compares } = dataIn(profile.flameGraph({ compareTo: earlier }))
    expect(compares).toBe(true)
    const [, , , total, , before] = root
    expect([total, before]).toEqual([7, 7])
    const [thread] = root[6]
    const [first] = thread![6]
    expect(thread!.slice(3, 6)).toEqual([7, 0, 7])
    expect(first!.slice(3, 6)).toEqual([6, 0, 7])
  })
})
