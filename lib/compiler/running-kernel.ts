// The types of the kernel that this process runs on, which are read once. They do not come from
// machine/kernel-types.ts, because the compiler also works where the addon does not.
import { readFileSync } from 'node:fs'
import { BtfTypes } from '../btf/parse.js'
import { moduleOf } from '../machine/kallsyms.js'
import { moduleTypes } from '../machine/module-types.js'

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

/** Types of modules, which extend those of the running kernel. */
const ofModules = new WeakSet<BtfTypes>()

/** The types of the running kernel and of the module that has a function; `undefined` if none has it. */
export function runningModuleWith(name: string): BtfTypes | undefined {
  const module = moduleOf(name)
  const types = module === undefined ? undefined : moduleTypes(module, runningKernel())
  if (types !== undefined) ofModules.add(types)
  return types
}

/** Whether types are those of the running kernel or of one of its modules, as the functions here return them. */
export const isRunningKernel = (types: BtfTypes): boolean => types === running || ofModules.has(types)
