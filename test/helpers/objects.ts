import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BpfObject, type OpenOptions } from 'libbpf-node'

/** The path of test/bpf/NAME.bpf.c, compiled. */
export function objectPath(name: string): string {
  const path = fileURLToPath(new URL(`../../dist/test/bpf/${name}.bpf.o`, import.meta.url))
  if (!existsSync(path)) throw new Error(`${path} is missing: run scripts/setup --only tests`)
  return path
}

/** Opens test/bpf/NAME.bpf.c. */
export function open(name: string, options?: OpenOptions): BpfObject {
  return BpfObject.open(objectPath(name), options)
}

/** Opens and loads test/bpf/NAME.bpf.c. */
export function load(name: string, options?: OpenOptions): BpfObject {
  const object = open(name, options)
  try {
    object.loadSync()
    return object
  } catch (error) {
    object.close()
    throw error
  }
}

/** Returns what a function throws; fails if it throws nothing. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
