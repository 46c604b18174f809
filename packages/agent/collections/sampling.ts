// How programs save CPU when the agent asks for it: they look at one of several events.
import { array, bpf, type u32, type u64 } from 'libbpf-node/kernel'

/** How many events each event that is looked at stands for. The agent sets it. */
export const sample = array<u32>(1)

/** How many events this one stands for, or 0 if it is to be left out. */
export function weight(): u32 {
  const asked = sample.get(0)
  if (!asked) return 1
  const many: u32 = asked.value
  if (many < 2) return 1
  return bpf.getPrandomU32() % many === 0 ? many : 0
}

/** When something began, and how many events it stands for. */
export interface Begin {
  at: u64
  many: u64
}
