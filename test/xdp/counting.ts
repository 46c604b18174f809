// XDP programs that count their packets and return an action.
import type { BpfObject } from 'libbpf-node'
import * as asm from 'libbpf-node/asm'

const { r0, r1, r2, types } = asm
export const [DROP, PASS, TX] = [1, 2, 3]

const context = types.struct('xdp_md', {
  data: types.u32,
  data_end: types.u32,
  data_meta: types.u32,
  ingress_ifindex: types.u32,
  rx_queue_index: types.u32,
  egress_ifindex: types.u32,
})

/** An object whose program `count` counts in `runs`. */
export function countingBytes(action: number, section = 'xdp'): Uint8Array {
  return asm.buildObject({
    license: 'GPL',
    globals: { runs: { type: types.u64 } },
    programs: {
      count: {
        section,
        type: types.prototype(types.s32, { ctx: types.pointer(context) }),
        instructions: [
          asm.ldData(r1, 'runs'),
          asm.mov(r2, 1),
          asm.atomic('add', 'u64', r1, 0, r2),
          asm.mov(r0, action),
          asm.exit(),
        ],
      },
    },
  })
}

export const runs = (object: BpfObject): number => Number(object.bss.runs)
