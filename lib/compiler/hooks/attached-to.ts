// Where the types of what a program is attached to are: in the kernel, or in one of its modules.
import type { BtfTypes } from '../../btf/parse.js'
import { tracepointFunction } from '../../machine/kallsyms.js'
import { KernelTypes } from '../kernel-types.js'
import { runningKernel, runningModuleWith } from '../running-kernel.js'
import { hooks } from './kinds.js'

interface Attached {
  readonly hook: string
  readonly target?: { readonly name: string } | undefined
}

/**
 * The types for programs on the running kernel, with those of the module that the first program for something outside
 * the kernel itself is for.
 */
export function typesFor(programs: Iterable<Attached>): BtfTypes {
  const kernel = runningKernel()
  const types = new KernelTypes(kernel)
  for (const program of programs) {
    const name = functionOf(program, types)
    const found = name === undefined ? undefined : runningModuleWith(name)
    if (found !== undefined) return found
  }
  return kernel
}

/** A function of the module that a program is for; `undefined` if the kernel itself has what it is attached to. */
function functionOf({ hook, target }: Attached, kernel: KernelTypes): string | undefined {
  if (target === undefined) return undefined
  const { name } = target
  const { parameters, prefix = '' } = hooks[hook]!
  switch (parameters) {
    case 'tracepoint record':
      return kernel.tracepointRecord(name) ? undefined : tracepointFunction(name.slice(name.indexOf('/') + 1))
    case 'tracepoint arguments':
      return kernel.tracepoint(name) ? undefined : tracepointFunction(name)
    case 'function arguments':
    case 'function arguments and result':
    case 'registers':
      return kernel.function(prefix + name) ? undefined : prefix + name
  }
  // The result has its type.
  return hook === 'kretprobe' && !kernel.function(name) ? name : undefined
}
