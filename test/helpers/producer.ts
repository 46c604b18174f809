import type { BpfObject } from 'libbpf-node'
import { load, open } from './objects.js'

const packet = new Uint8Array(64)

/** Loads test/bpf/ring.bpf.c, optionally with a ring of `bytes`. */
export function loadRing(bytes?: number): BpfObject {
  if (bytes === undefined) return load('ring')
  const object = open('ring')
  object.map('events').maxEntries = bytes
  object.loadSync()
  return object
}

/** Makes the program write `count` numbered records. Returns the numbers of those that the ring had room for. */
export function emit(object: BpfObject, count: number, size = 8): number[] {
  const { bss, data } = object
  data.size = size
  const before = Number(bss.emitted)
  if (count > 0) object.program('emit').testRunSync({ data: packet, repeat: count })
  return range(before, Number(bss.emitted))
}

/** Makes the program reserve and discard `count` records. */
export function discard(object: BpfObject, count: number): void {
  object.program('discard').testRunSync({ data: packet, repeat: count })
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

/** The number of a record. */
export const numberOf = (record: Uint8Array): number =>
  Number(new DataView(record.buffer, record.byteOffset).getBigUint64(0, true))
