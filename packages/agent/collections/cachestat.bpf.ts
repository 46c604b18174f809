// How the page cache is used: pages that are added because they were not there, and pages that are removed.
import { array, bpf, percpuArray, rawTp, type u32, type u64 } from 'libbpf-node/kernel'

export const page_cache_operations = percpuArray<u64>(2)
/** How many events the one that is looked at stands for. The agent sets it. */
export const sample = array<u32>(1)

/** How many events this one stands for: 0 if the agent, which has to save CPU, leaves it out. */
function weight(): u32 {
  const asked = sample.get(0)
  if (!asked) return 1
  const many: u32 = asked.value
  if (many < 2) return 1
  return bpf.getPrandomU32() % many === 0 ? many : 0
}

export const onAdd = rawTp('mm_filemap_add_to_page_cache', () => {
  page_cache_operations.add(0, weight())
  return 0
})

export const onRemove = rawTp('mm_filemap_delete_from_page_cache', () => {
  page_cache_operations.add(1, weight())
  return 0
})

export const license = 'GPL'
