import { readFileSync } from 'node:fs'
import { native } from '../native/binding.js'

/**
 * The number of CPUs that the machine can ever have. Values of per-CPU maps have this many elements.
 * (`libbpf_num_possible_cpus`)
 */
export function possibleCpus(): number {
  return native.possibleCpus()
}

/** The numbers of the CPUs that are online. They are not always 0, 1, 2 and so on. */
export function onlineCpus(): number[] {
  return cpusIn(readFileSync('/sys/devices/system/cpu/online', 'utf8'))
}

/** Reads a list such as '0-2,4'. @internal */
export function cpusIn(list: string): number[] {
  return list
    .trim()
    .split(',')
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
}
