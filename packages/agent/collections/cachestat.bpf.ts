// How the page cache is used: pages that are added because they were not there, and pages that are removed.
import { percpuArray, rawTp, type u64 } from 'libbpf-node/kernel'
import { weight } from './sampling.js'

export const page_cache_operations = percpuArray<u64>(2)

export const onAdd = rawTp('mm_filemap_add_to_page_cache', () => {
  page_cache_operations.add(0, weight())
  return 0
})

export const onRemove = rawTp('mm_filemap_delete_from_page_cache', () => {
  page_cache_operations.add(1, weight())
  return 0
})

export const license = 'GPL'
