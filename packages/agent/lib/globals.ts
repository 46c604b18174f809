import type { BpfObject } from 'libbpf-node'

/** Sets constants and variables by name. @throws Error if there is no such variable */
export function setGlobals(object: BpfObject, globals: Record<string, unknown>): void {
  const names = [...object.maps.keys()].map((name) => /\.(?:rodata|data|bss).*$/.exec(name)?.[0])
  const sections = names.filter((name) => name !== undefined).map((name) => object.globals(name))
  for (const [name, value] of Object.entries(globals)) {
    const section = sections.find((section) => name in section)
    if (section === undefined) throw new Error(`it has no global variable '${name}'`)
    Object.assign(section, { [name]: value })
  }
}
