import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Commented, readComments } from '../../lib/codegen/comments.js'
import { root } from './helper.js'

const source = String.raw`// SPDX-License-Identifier: MIT
/* Of the file, not of what is in it. */
#include "x.h" /* nothing */
#define WORD(a) "/* no comment */" \
  '{'

// Somebody who asks.
// In two lines.
struct client {
  int pid;  // The process.
  /** Where it
   * comes from. */
  struct {
    __u16 port; /* Network order. */  // Really.
    union { /* Either. */
      __u32 v4;  /* Of old. */
      __u8 v6[16];
    };
  } addr[2][3];

  /* Of nobody: */

  unsigned urgent : 1,
      level : 7;  // A bit.
  char name[sizeof("}; int no;")] __attribute__((aligned(8)));  // Its name,
                                                                // cut.
  void (*call)(int a /* not a member */);
  struct other *next;  // The next.
};

/* Why. */
enum reason { /* first */ ONE = 1, /* The one. */ TWO = (1 << 2), // The two.
  THREE /* The three. */ };

/* A count. */
typedef struct { __u64 n; /* How many. */ } count_t;

/* ---------------- */
const volatile __u32 skip = 5, more /* both */;
/* Milliseconds. */
int period = { 1, 2 };
extern int LINUX_KERNEL_VERSION __kconfig; /* The kernel's. */

/* Records. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH); /* no member */
  __type(value, struct client);
} clients SEC(".maps");

/* By macro. */
LIBBPF_NODE_EVENTS(events, 1 << 12, struct client);

static __always_inline int helper(void *a) { int b = 1; /* inside */ return b; }

/* Runs. */
SEC("tp/x")
int BPF_PROG(on_x, struct sock *sk) { return 0; }
/* Ends. */
SEC("tp/y") int on_y(void *ctx)
{
  /* not the next one's */
}
int prototype(int a); // Not here.
`

describe('readComments', () => {
  const { types, globals } = readComments([source])
  const members = (type: Commented | undefined) =>
    Object.fromEntries([...(type?.members ?? [])].map(([name, { words }]) => [name, words]))

  it('reads comments before and behind a declaration', () => {
    expect(types.get('client')?.words).toBe('Somebody who asks. In two lines.')
    expect(members(types.get('client'))).toEqual({
      pid: 'The process.',
      addr: 'Where it comes from.',
      urgent: 'A bit.',
      level: 'A bit.',
      name: 'Its name, cut.',
      next: 'The next.',
    })
    expect(members(types.get('reason'))).toEqual({ ONE: 'The one.', TWO: 'The two.', THREE: 'The three.' })
    expect([types.get('reason')?.words, types.get('count_t')?.words]).toEqual(['Why. first', 'A count.'])
    expect(members(types.get('count_t'))).toEqual({ n: 'How many.' })
  })

  it('reads comments of members in types without a name', () => {
    const addr = types.get('client')?.members.get('addr')?.type
    expect(members(addr)).toEqual({ port: 'Network order. Really.', v4: 'Of old.', v6: '' })
  })

  it('reads comments of variables, maps and programs', () => {
    expect(Object.fromEntries([...globals].filter(([, words]) => words !== ''))).toEqual({
      period: 'Milliseconds.',
      LINUX_KERNEL_VERSION: "The kernel's.",
      clients: 'Records.',
      events: 'By macro.',
      on_x: 'Runs.',
      on_y: 'Ends.',
      prototype: 'Not here.',
    })
  })

  it('ends for any input', () => {
    for (let i = 0; i < source.length; i += 3) {
      readComments([source.slice(i), source.slice(0, i), source.slice(0, i) + source.slice(i + 40)])
    }
    for (const end of [
      '/*',
      '"',
      "'",
      '{',
      '(',
      'struct',
      'struct {',
      'enum {',
      'enum { a',
      'int a =',
      '}',
      ')',
      '#',
    ]) {
      readComments([end, source + end, end + source])
    }
    const folder = join(root, 'dist/include/bpf')
    for (const file of readdirSync(folder)) readComments([readFileSync(join(folder, file), 'utf8')])
    readComments([readFileSync(join(root, 'build/include/vmlinux.h'), 'utf8')])
  })
})
