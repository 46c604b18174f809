import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BpfObject, type OpenOptions } from 'libbpf-node'

/** The compiled form of test/bpf/NAME.bpf.c. */
export function objectPath(name: string): string {
  const path = fileURLToPath(new URL(`../../dist/test/bpf/${name}.bpf.o`, import.meta.url))
  if (!existsSync(path)) throw new Error(`${path} is missing: run scripts/setup --only tests`)
  return path
}

/** test/bpf/NAME.bpf.c, opened. */
export function open(name: string, options?: OpenOptions): BpfObject {
  return BpfObject.open(objectPath(name), options)
}

/** test/bpf/NAME.bpf.c in the kernel. */
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

/** What a function throws; fails when it does not. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
