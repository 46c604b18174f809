// The verifier's words in docs/troubleshooting.md are what this kernel says about programs with these faults.
import { BpfObject, VerifierError } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { root } from '../codegen/helper.js'
import { compile } from '../helpers/compile.js'
import { readPage, sectionOf } from './blocks.js'

const flags = [
  '-g',
  '-O2',
  '-target',
  'bpf',
  '-mcpu=v3',
  '-c',
  `-I${root}/dist/include`,
  `-I${root}/build/include`,
]

/** A program with one fault. */
function message(section: string, body: string, { before = '', license = 'GPL' } = {}): string {
  const source = `
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} map SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");
__u64 table[16];
${before}
SEC("${section}") int program(${section === 'xdp' ? 'struct xdp_md' : 'void'} *ctx) { ${body} }
char LICENSE[] SEC("license") = "${license}";`
  using obj = BpfObject.open(compile('clang', flags, source))
  try {
    obj.loadSync()
  } catch (error) {
    if (error instanceof VerifierError) return error.message
    throw error
  }
  throw new Error('the verifier accepts this program')
}

const faults: Record<string, () => string> = {
  "R0 invalid mem access 'map_value_or_null'": () =>
    message('raw_tp', '__u32 key = 0; __u64 *value = bpf_map_lookup_elem(&map, &key); return *value;'),
  "invalid mem access 'scalar'": () =>
    message('raw_tp', 'struct task_struct *task = (void *)bpf_get_current_task(); return task->pid;'),
  'invalid access to packet': () => message('xdp', 'char *data = (void *)(long)ctx->data; return data[20];'),
  'Unreleased reference': () =>
    message('raw_tp', 'void *record = bpf_ringbuf_reserve(&ring, 8, 0); return 0;'),
  'unbounded memory access': () =>
    message(
      'raw_tp',
      'char to[64]; __u64 size = bpf_get_prandom_u32(); return bpf_probe_read_kernel(to, size, ctx);',
    ),
  'make sure to bounds check': () => message('raw_tp', 'return table[bpf_get_prandom_u32()];'),
  'infinite loop detected': () => message('raw_tp', 'for (;;) ;'),
  // Tracing programs have a stack of their own for each function since Linux 6.13.
  'combined stack size': () =>
    message(
      'xdp',
      'char large[300]; bpf_xdp_load_bytes(ctx, 0, large, 300); return other(ctx) + large[299];',
      {
        before: `__attribute__((noinline)) static int other(struct xdp_md *ctx) {
  char more[300];
  bpf_xdp_load_bytes(ctx, 0, more, 300);
  return more[299];
}`,
      },
    ),
  'program of this type cannot use helper': () => message('raw_tp', 'return bpf_redirect(1, 0);'),
  'cannot call GPL-restricted function': () =>
    message('raw_tp', 'char to[8]; return bpf_probe_read_kernel(to, 8, ctx);', { license: 'MIT' }),
}

const table = sectionOf(readPage('docs/troubleshooting.md'), '## The verifier refused my program')

describe('docs/troubleshooting.md', () => {
  it.each(Object.entries(faults))('quotes the verifier: %s', (words, fault) => {
    const said = fault()
    expect(said).toContain(words)
    expect(table).toContain(words)
  })
})
