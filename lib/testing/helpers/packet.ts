import { errno } from '../errno.js'
import type { Helper } from '../machine.js'
import { packetOf } from '../packet-context.js'

const { EINVAL, EFAULT, EOPNOTSUPP } = errno

const signed32 = (value: bigint): number => Number(BigInt.asIntN(32, value))

const adjust =
  (name: string, what: 'start' | 'end' | 'meta'): Helper =>
  (machine, _context, delta) =>
    packetOf(machine, name).move({ [what]: signed32(delta!) }, name) ? 0 : -EINVAL

/** The one's complement sum of 16-bit words, as checksums of IP are. */
export function checksum(bytes: Uint8Array, start = 0): number {
  let sum = start
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i]! | ((bytes[i + 1] ?? 0) << 8)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000)
  return sum
}

/** Replaces a value that a checksum covers. The checksum is at `at`. */
const replaceChecksum =
  (name: string): Helper =>
  (machine, _context, offset, from, to, flags) => {
    const size = Number(flags! & 15n)
    const at = packetOf(machine, name).locate(Number(BigInt.asUintN(32, offset!)), 2)
    if (at === undefined) return -EFAULT
    const { view } = machine.memory
    const old = view.getUint16(at, true)
    // BPF_F_MARK_MANGLED_0: UDP without a checksum stays without.
    if ((flags! & 0x20n) !== 0n && old === 0) return 0
    const bytes = (value: bigint): Uint8Array => {
      const all = new Uint8Array(BigUint64Array.of(value).buffer)
      return all.slice(0, size === 0 ? 4 : size)
    }
    const difference =
      size === 0 ? checksum(bytes(to!)) : checksum(bytes(to!), 0xffff - checksum(bytes(from!)))
    const sum = checksum(new Uint8Array(Uint16Array.of(~old & 0xffff).buffer), difference)
    const result = ~sum & 0xffff
    view.setUint16(at, result === 0 && (flags! & 0x20n) !== 0n ? 0xffff : result, true)
    return 0
  }

export const packetHelpers: Readonly<Record<string, Helper>> = {
  xdp_adjust_head: adjust('bpf_xdp_adjust_head', 'start'),
  xdp_adjust_tail: adjust('bpf_xdp_adjust_tail', 'end'),
  xdp_adjust_meta: adjust('bpf_xdp_adjust_meta', 'meta'),
  xdp_get_buff_len: (machine) => packetOf(machine, 'bpf_xdp_get_buff_len').length,

  skb_load_bytes(machine, _context, offset, to, size) {
    const length = Number(BigInt.asUintN(32, size!))
    const at = packetOf(machine, 'bpf_skb_load_bytes').locate(Number(BigInt.asUintN(32, offset!)), length)
    const bytes = at === undefined ? new Uint8Array(length) : machine.memory.bytes.slice(at, at + length)
    machine.memory.write(to!, bytes, 'bpf_skb_load_bytes')
    return at === undefined ? -EFAULT : 0
  },

  skb_store_bytes(machine, _context, offset, from, size) {
    const bytes = machine.memory.read(from!, Number(BigInt.asUintN(32, size!)), 'bpf_skb_store_bytes')
    const at = packetOf(machine, 'bpf_skb_store_bytes').locate(
      Number(BigInt.asUintN(32, offset!)),
      bytes.length,
    )
    if (at === undefined) return -EFAULT
    machine.memory.bytes.set(bytes, at)
    return 0
  },

  skb_pull_data: (machine) =>
    packetOf(machine, 'bpf_skb_pull_data').move({}, 'bpf_skb_pull_data') ? 0 : -EINVAL,
  skb_change_tail(machine, _context, length) {
    const packet = packetOf(machine, 'bpf_skb_change_tail')
    return packet.move({ end: Number(length) - packet.length }, 'bpf_skb_change_tail') ? 0 : -EINVAL
  },
  skb_change_head: (machine, _context, length) =>
    packetOf(machine, 'bpf_skb_change_head').move({ start: -Number(length) }, 'bpf_skb_change_head')
      ? 0
      : -EINVAL,

  csum_diff(machine, from, fromSize, to, toSize, seed) {
    const read = (pointer: bigint, size: bigint): Uint8Array =>
      size === 0n ? new Uint8Array(0) : machine.memory.read(pointer, Number(size), 'bpf_csum_diff')
    if (((fromSize! | toSize!) & 3n) !== 0n) return -EINVAL
    const negative = read(from!, fromSize!).map((byte) => ~byte)
    return checksum(
      read(to!, toSize!),
      checksum(negative, checksum(new Uint8Array(Uint32Array.of(Number(BigInt.asUintN(32, seed!))).buffer))),
    )
  },

  l3_csum_replace: replaceChecksum('bpf_l3_csum_replace'),
  l4_csum_replace: replaceChecksum('bpf_l4_csum_replace'),

  redirect(machine, ifindex) {
    machine.redirected = { ifindex: Number(ifindex) }
    return machine.packetBytes === undefined ? 4 : 7
  },

  redirect_map(machine, mapPointer, key, flags) {
    const map = machine.mapAt(mapPointer!, 'bpf_redirect_map')
    const index = Number(BigInt.asUintN(32, key!))
    const target = map.get(new Uint8Array(Uint32Array.of(index).buffer))
    if (target === undefined) return flags! & 3n
    machine.redirected = { map: map.name, key: index }
    return 4
  },

  set_hash_invalid: () => 0,
  get_hash_recalc: () => 0,
  sk_lookup_tcp: () => 0,
  sk_lookup_udp: () => 0,
  skc_lookup_tcp: () => 0,
  fib_lookup: () => -EOPNOTSUPP,
}
