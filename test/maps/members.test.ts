import { BPF_F_LOCK, type BpfObject } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

interface Locked {
  lock?: { val: number }
  a: number
  b: bigint
}

const packet = { data: new Uint8Array(64) }

function loadLocks(): BpfObject {
  const object = open('map-members')
  for (const name of ['timers', 'owners']) object.map(name).autocreate = false
  object.program('arm').autoload = false
  object.loadSync()
  return object
}

describe('a value with a bpf_spin_lock', () => {
  it('is set without the lock, which reads as zero', () => {
    using object = loadLocks()
    const locks = object.map<number, Locked>('locks')
    locks.set(1, { a: 5, b: 6n })
    expect(locks.get(1)).toEqual({ lock: { val: 0 }, a: 5, b: 6n })
    object.program('add').testRunSync(packet)
    expect(locks.get(1)).toEqual({ lock: { val: 0 }, a: 6, b: 8n })
  })

  it('is read and written under its lock with BPF_F_LOCK', () => {
    using object = loadLocks()
    const locks = object.map<number, Locked>('locks')
    locks.set(1, { a: 1, b: 1n }).set(1, { a: 2, b: 3n }, { flags: BPF_F_LOCK })
    expect(locks.get(1, { flags: BPF_F_LOCK })).toEqual({ lock: { val: 0 }, a: 2, b: 3n })
    locks.setMany([[1, { a: 7, b: 8n }]], { flags: BPF_F_LOCK })
    expect(locks.get(1)).toMatchObject({ a: 7, b: 8n })
  })

  it('keeps its lock when another value is written', () => {
    using object = loadLocks()
    const locks = object.map<number, Locked>('locks')
    locks.set(1, { a: 0, b: 0n }).set(1, { lock: { val: 1 }, a: 1, b: 1n }, { flags: BPF_F_LOCK })
    // If the lock were held, this would never return.
    expect(object.program('add').testRunSync(packet).retval).toBe(0)
    expect(locks.get(1)).toEqual({ lock: { val: 0 }, a: 2, b: 3n })
  })

  it('is required for BPF_F_LOCK', () => {
    using object = load('maps')
    expect(
      thrownBy(() => object.map('numbers').raw.get(new Uint8Array(4), { flags: BPF_F_LOCK })),
    ).toMatchObject({
      code: 'EINVAL',
    })
  })

  it('requires all other members', () => {
    using object = loadLocks()
    expect(() => object.map<number, unknown>('locks').set(1, { a: 1 })).toThrow('value.b: missing')
    expect(() => object.map<number, unknown>('locks').set(1, { a: 1, b: 1n, lock: 3 })).toThrow('value.lock')
  })
})

describe('a value with a bpf_timer', () => {
  requiresKernel(
    '5.15',
    'reads the timer as zeros, and setting the value does not stop the timer',
    async () => {
      using object = open('map-members')
      object.map('owners').autocreate = false
      object.loadSync()
      const timers = object.map<number, { timer?: unknown; fired: bigint }>('timers')
      expect(object.program('arm').testRunSync(packet).retval).toBe(0)
      await until('it fired', () => timers.get(1)!.fired === 1n)
      const { timer } = timers.get(1)!
      expect(
        Object.values(timer as object)
          .flat()
          .every((word) => word === 0n),
      ).toBe(true)
      timers.set(1, { fired: 10n })
      expect(object.program('arm').testRunSync(packet).retval).toBe(0)
      await until('it fired again', () => timers.get(1)!.fired === 11n)
    },
  )
})

describe('a value with a kptr', () => {
  requiresKernel('5.19', 'is set without the pointer, which reads as 0', () => {
    using object = open('map-members')
    object.loadSync()
    const owners = object.map<number, { task?: bigint; number: bigint }>('owners')
    owners.set(2, { number: 5n })
    expect(owners.get(2)).toEqual({ task: 0n, number: 5n })
    // The kernel ignores what user space writes there.
    owners.set(2, { task: 0xffff_8880_0000_0000n, number: 6n })
    expect(owners.get(2)).toEqual({ task: 0n, number: 6n })
  })
})
