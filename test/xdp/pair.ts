// Two connected interfaces for the tests of a file: what is sent into one arrives at the other.
import { afterAll, beforeAll } from 'vitest'
import { ip } from '../attach/surroundings.js'

export interface Pair {
  readonly a: string
  readonly b: string
  /** Deletes and makes the pair again. */
  renew(): void
}

/** The type of Ethernet frames for experiments. Nothing else sends them, so tests see only their own packets. */
export const experimental = 0x88b5

export function usePair({ queues = 1 }: { queues?: number } = {}): Pair {
  const id = process.pid % 10000
  const a = `lbx${id}a`
  const b = `lbx${id}b`
  const make = (): void => {
    const number = ['numrxqueues', String(queues), 'numtxqueues', String(queues)]
    ip('link', 'add', a, ...number, 'type', 'veth', 'peer', 'name', b, ...number)
    for (const name of [a, b]) ip('link', 'set', name, 'up')
  }
  const remove = (): string => ip('link', 'del', a)
  beforeAll(make)
  afterAll(() => {
    remove()
  })
  return {
    a,
    b,
    renew: () => {
      remove()
      make()
    },
  }
}

/** An Ethernet frame with a number. */
export function packet(number: number, length = 64): Uint8Array {
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  bytes.fill(0xff, 0, 6)
  bytes[6] = 2
  view.setUint16(12, experimental)
  view.setUint32(14, number)
  return bytes
}

export const numberOf = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(14)

/** 0, 1, ... */
export const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
