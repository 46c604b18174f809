import { BtfTypes } from '../btf/parse.js'
import { native } from '../native/binding.js'

let read: { types: BtfTypes | undefined } | undefined

/** The running kernel's BTF, which is read once; `undefined` if it has none or this process may not read it. */
export function kernelTypes(): BtfTypes | undefined {
  read ??= { types: load() }
  return read.types
}

function load(): BtfTypes | undefined {
  try {
    const btf = native.btfLoadKernel()
    try {
      return new BtfTypes(native.btfBytes(btf))
    } finally {
      native.btfClose(btf)
    }
  } catch {
    return undefined
  }
}

/** The values of one of the kernel's enums by their names without `prefix`; `undefined` if there is no such enum. */
export function kernelEnum(name: string, prefix: string): Map<string, number> | undefined {
  const type = kernelTypes()?.find(name, 'enum')
  if (type === undefined) return undefined
  return new Map(
    type.values
      .filter((value) => value.name.startsWith(prefix))
      .map((value) => [value.name.slice(prefix.length), value.value]),
  )
}
