// The kernel's iterator over numbers, which makes loops that the verifier need not follow round by round. (Linux 6.4)
import * as c from '../asm/c-types.js'

const iterator = c.pointer(c.struct('bpf_iter_num', { __opaque: c.array(c.u64, 1) }))

export const numberIterator = {
  create: {
    name: 'bpf_iter_num_new',
    type: c.prototype(c.s32, { it: iterator, start: c.s32, end: c.s32 }),
  },
  next: { name: 'bpf_iter_num_next', type: c.prototype(c.pointer(c.s32), { it: iterator }) },
  destroy: { name: 'bpf_iter_num_destroy', type: c.prototype(c.voidType, { it: iterator }) },
} as const
