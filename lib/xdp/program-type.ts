// What XDP programs that are made here get and return.
import { pointer, prototype, s32, struct, u32 } from '../asm/c-types.js'

export const XDP_PASS = 2

const xdpMd = struct('xdp_md', {
  data: u32,
  data_end: u32,
  data_meta: u32,
  ingress_ifindex: u32,
  rx_queue_index: u32,
  egress_ifindex: u32,
})

/** A pointer to the context. */
export const contextPointer = pointer(xdpMd)

export const xdpProgram = prototype(s32, { ctx: contextPointer })
