// The types of the kernel that this process runs on, which are read once. The compiler also works where the addon does
// not, so it does not take them from machine/kernel-types.ts.
import { readFileSync } from 'node:fs'
import { BtfTypes } from '../btf/parse.js'

let running: BtfTypes | undefined

export function runningKernel(): BtfTypes {
  try {
    running ??= new BtfTypes(readFileSync('/sys/kernel/btf/vmlinux'))
    return running
  } catch (cause) {
    throw new Error(
      "the types of the running kernel cannot be read: it has no BTF, or /sys is not mounted; give those of another kernel as the option 'kernel'",
      { cause },
    )
  }
}

/** Whether types are those of the running kernel, as {@link runningKernel} returns them. */
export const isRunningKernel = (types: BtfTypes): boolean => types === running
