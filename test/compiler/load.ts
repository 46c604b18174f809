import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'

/** Compiles programs, and loads them. */
export function load(text: string, rodata?: Readonly<Record<string, unknown>>): BpfObject {
  const object = BpfObject.open(compile(`${text}\nexport const license = 'GPL'\n`).object)
  try {
    if (rodata) Object.assign(object.rodata, rodata)
    object.loadSync()
    return object
  } catch (error) {
    object.close()
    throw error
  }
}

export const dataOf = (object: BpfObject): Record<string, bigint> => object.data as Record<string, bigint>
