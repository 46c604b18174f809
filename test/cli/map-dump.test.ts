// Values whose text is not obvious: enums, and numbers that JSON does not have.
import { describe, expect, it } from 'vitest'
import { libbpfNode } from '../codegen/helper.js'
import { bpftoolJson, comparesWithBpftool } from '../helpers/bpftool.js'
import { kernelIs } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'

interface Paint {
  color: number
  mixed: number[]
  size: bigint
  bits: number
  inner: number
  share: number
}
const paint = { color: 5, mixed: [0, 7], size: 1n << 40n, bits: 1, inner: 5, share: 0.5 }

async function dump(id: number, ...options: string[]): Promise<string> {
  const { status, stdout, stderr } = await libbpfNode(['map', 'dump', String(id), ...options])
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

// Older kernels have no BTF for 64-bit enums, so libbpf gives them maps without types.
describe.skipIf(!kernelIs('6.0'))('libbpf-node map dump (Linux 6.0)', () => {
  it('shows enum values by name wherever they are, and leaves values without a name as numbers', async () => {
    using object = load('enums')
    const paints = object.map<number, Paint>('paints')
    paints.set(0, paint)
    const text = await dump(paints.id)
    expect(text).toMatch(/^RED: \{/)
    for (const member of [
      'color: GREEN',
      'mixed: [ RED, 7 ]',
      'size: LARGE',
      'bits: SMALL',
      'inner: GREEN',
    ]) {
      expect(text).toContain(member)
    }
    expect(text).toContain('number: 5')
    expect(JSON.parse(await dump(paints.id, '--json'))).toEqual([
      {
        key: 'RED',
        value: {
          ...{ color: 'GREEN', mixed: ['RED', 7], size: 'LARGE', bits: 'SMALL' },
          ...{ inner: 'GREEN', number: 5, share: 0.5 },
        },
      },
    ])
  })

  it('shows the enum values of every CPU', async () => {
    using object = load('enums')
    const perCpu = object.map<number, number[]>('per_cpu')
    const cpus = perCpu.get(0)!.length
    perCpu.set(0, new Array<number>(cpus).fill(5))
    expect(JSON.parse(await dump(perCpu.id, '--json'))).toEqual([
      { key: 0, value: new Array<string>(cpus).fill('GREEN') },
    ])
  })

  comparesWithBpftool('names enum values as bpftool does', async () => {
    using object = load('enums')
    const perCpu = object.map('per_cpu')
    const [{ formatted }] = bpftoolJson<[{ formatted: { values: { value: string }[] } }]>(
      ...['map', 'dump', 'id', String(perCpu.id)],
    )
    const [{ value }] = JSON.parse(await dump(perCpu.id, '--json')) as [{ value: string[] }]
    expect(value).toEqual(formatted.values.map(({ value }) => value))
    expect(value).toContain('RED')
  })

  it.each([
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [Number.NaN, 'NaN'],
  ])('writes %d as a JSON string', async (share, text) => {
    using object = load('enums')
    const paints = object.map<number, Paint>('paints')
    paints.set(0, { ...paint, share })
    const [entry] = JSON.parse(await dump(paints.id, '--json')) as [{ value: { share: string } }]
    expect(entry.value.share).toBe(text)
  })
})
