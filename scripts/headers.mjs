// Copies libbpf's headers for BPF programs to where `libbpf-node gen` finds them, even in an installed package, which
// has no deps/libbpf. Their licenses are copied, too.
import { copyFileSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'

const folder = 'dist/include/bpf'
const headers = ['bpf_core_read', 'bpf_endian', 'bpf_helper_defs', 'bpf_helpers', 'bpf_tracing', 'usdt.bpf']
const licenses = ['LICENSE', 'LICENSE.BSD-2-Clause', 'LICENSE.LGPL-2.1']
const copied = [
  ...headers.map((name) => `deps/libbpf/src/${name}.h`),
  ...licenses.map((name) => `deps/libbpf/${name}`),
]

const targetOf = (file) => join(folder, basename(file))

export const outputs = () => copied.map(targetOf)

export function copyHeaders() {
  mkdirSync(folder, { recursive: true })
  for (const file of copied) copyFileSync(file, targetOf(file))
}
