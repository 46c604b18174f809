import type { BpfObject } from 'libbpf-node'
import { load as loadObject } from '../load.js'

/** Compiles programs, and loads them. `p` runs on a packet each time that `run` is called. */
export function load(text: string): {
  object: BpfObject
  run: (name?: string) => number
  data: Record<string, unknown>
} {
  const object = loadObject(text)
  return {
    object,
    run: (name = 'p') => object.program(name).testRunSync({ data: new Uint8Array(64) }).retval,
    get data() {
      return object.data as Record<string, unknown>
    },
  }
}

/** A TC program around statements, with a variable. It returns 0 unless the last statement is a return. */
export const classifier = (head: string, body: string): string =>
  `${head}\nexport let out = data<u64>(0)\nexport const p = tc((packet) => { ${body}${/return [^;]*$/.test(body) && !/\}$/.test(body) ? '' : '; return 0'} })`
