import { readFileSync } from 'node:fs'
import type { BpfObject } from 'libbpf-node'

const BPF_F_TEST_RUN_ON_CPU = 1

/** The CPUs that are online. The kernel lists them as '0-3,6'. */
export const onlineCpus = readFileSync('/sys/devices/system/cpu/online', 'utf8')
  .trim()
  .split(',')
  .flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })

/** Runs a raw tracepoint program several times on a CPU. */
export function runOn(cpu: number, object: BpfObject, program: string, times: number): void {
  const found = object.program(program)
  for (let i = 0; i < times; i++) found.testRunSync({ cpu, flags: BPF_F_TEST_RUN_ON_CPU })
}
