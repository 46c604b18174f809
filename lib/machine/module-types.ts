// The types of the kernel's modules, which extend those of the kernel. Reading the files needs no native code.
import { readFileSync } from 'node:fs'
import { BtfTypes } from '../btf/parse.js'

/**
 * The types of a module with those of the kernel; `undefined` if it has none (Linux 5.11 with
 * CONFIG_DEBUG_INFO_BTF_MODULES), or was unloaded.
 */
export function moduleTypes(name: string, kernel: BtfTypes): BtfTypes | undefined {
  try {
    return new BtfTypes(readFileSync(`/sys/kernel/btf/${name}`), kernel)
  } catch {
    return undefined
  }
}
