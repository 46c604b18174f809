import { readdirSync, readFileSync } from 'node:fs'

const names = new Map<number, string>()

/** The name of a network interface of this network namespace, by its index. */
export function interfaceName(index: number): string {
  if (!names.has(index)) {
    names.clear()
    for (const name of readdirSync('/sys/class/net')) {
      try {
        names.set(Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8')), name)
      } catch {
        // It is gone.
      }
    }
    if (!names.has(index)) names.set(index, String(index))
  }
  return names.get(index)!
}
