import { type BpfObject, interfaceIndex } from 'libbpf-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ip, loadOnly, useProgram, useVeth } from '../attach/surroundings.js'
import { runChild } from '../helpers/child.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { objectPath, thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

interface DevmapValue {
  ifindex: number
  bpf_prog: { fd: number } | { id: number }
}

interface CpumapValue {
  qsize: number
  bpf_prog: { fd: number } | { id: number }
}

const veth = useVeth()
/** A second pair of veth interfaces: packets that go into one end come out of the other. */
const out = `lbr${process.pid % 10000}a`
const end = `lbr${process.pid % 10000}b`

beforeAll(() => {
  ip('link', 'add', out, 'type', 'veth', 'peer', 'name', end)
  ip('link', 'set', out, 'up')
  ip('link', 'set', end, 'up')
})
afterAll(() => {
  ip('link', 'del', out)
})

/** Redirects packets from our end of the first pair, and counts them where they leave the second pair. */
function loadRedirect(programs: string[] = []): BpfObject {
  return loadOnly('redirect', ['redirect', 'arrive', ...programs])
}

/** Sends until a condition holds. The first datagram may only trigger address resolution. */
async function sendUntil(what: string, condition: () => boolean): Promise<void> {
  await until(what, () => {
    veth.send(4000)
    return condition()
  })
}

// These tests use generic XDP. It accepts maps that can hold programs since Linux 5.15; drivers do since 5.8 and 5.9.
describe('a devmap', () => {
  requiresKernel('5.15', 'sends packets out of another interface, through a program', async () => {
    using object = loadRedirect(['on_port'])
    const ports = object.map<number, DevmapValue>('ports')
    const ifindex = interfaceIndex(out)
    ports.set(1, { ifindex, bpf_prog: { fd: object.program('on_port').fd } })
    expect(ports.get(1)).toMatchObject({ ifindex, bpf_prog: { id: object.program('on_port').id } })
    using _in = object.program('redirect').attachXdp(veth.name, { mode: 'generic' })
    using _out = object.program('arrive').attachXdp(end, { mode: 'generic' })
    await sendUntil('it arrived', () => (object.bss.arrived as bigint) > 0n)
    expect(object.bss.in_devmap as bigint).toBeGreaterThan(0n)
    expect([...ports].map(([key]) => key)).toEqual([1])
    expect(ports.delete(1)).toBe(true)
    expect(ports.get(1)).toBeUndefined()
  })

  requiresKernel(
    '5.15',
    'of type devmap_hash accepts any number as a key, and an interface as a value',
    async () => {
      using object = loadRedirect()
      const ports = object.map<number, number>('ports_by_name')
      ports.set(77, interfaceIndex(out))
      expect([...ports]).toEqual([[77, interfaceIndex(out)]])
      object.bss.way = 1
      using _in = object.program('redirect').attachXdp(veth.name, { mode: 'generic' })
      using _out = object.program('arrive').attachXdp(end, { mode: 'generic' })
      await sendUntil('it arrived', () => (object.bss.arrived as bigint) > 0n)
      expect(thrownBy(() => ports.set(1, 2 ** 31 - 1))).toMatchObject({
        map: 'ports_by_name',
        code: expect.stringMatching(/EINVAL|ENODEV/),
      })
    },
  )
})

describe('generic XDP', () => {
  it('refuses maps that can hold programs, with a reason, before Linux 5.15', () => {
    using object = loadRedirect()
    try {
      object.program('redirect').attachXdp(veth.name, { mode: 'generic' }).close()
      expect(kernelIs('5.15')).toBe(true)
    } catch (error) {
      expect(error).toMatchObject({ code: 'EINVAL', message: expect.stringContaining('before Linux 5.15') })
    }
  })

  it('refuses programs for the values of a devmap', () => {
    using object = loadRedirect(['on_port'])
    expect(() => object.program('on_port').attachXdp(veth.name, { mode: 'generic' })).toThrow(
      'it is an xdp_devmap program',
    )
  })
})

describe('a cpumap', () => {
  requiresKernel('5.15', 'moves packets to another CPU, through a program', async () => {
    using object = loadRedirect(['on_cpu'])
    const cpus = object.map<number, CpumapValue>('cpus')
    cpus.set(0, { qsize: 64, bpf_prog: { fd: object.program('on_cpu').fd } })
    expect(cpus.get(0)).toMatchObject({ qsize: 64, bpf_prog: { id: object.program('on_cpu').id } })
    object.bss.way = 2
    using link = object.program('redirect').attachXdp(veth.name, { mode: 'generic' })
    await sendUntil('it ran there', () => (object.bss.in_cpumap as bigint) > 0n)
    expect(object.bss.ran_on).toBe(0)
    link.close()
    expect(cpus.delete(0)).toBe(true)
    expect(thrownBy(() => cpus.set(0, { qsize: 1 << 20, bpf_prog: { fd: 0 } }))).toMatchObject({
      map: 'cpus',
    })
  })
})

describe('an xskmap', () => {
  // Runs a command with an XDP socket, ready to receive, as descriptor 10.
  const withSocket = useProgram(`
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char** argv) {
  int made = socket(AF_XDP, SOCK_RAW, 0), entries = 64;
  struct xdp_umem_reg umem = {.len = 64 * 4096, .chunk_size = 4096};
  umem.addr = (unsigned long)aligned_alloc(4096, umem.len);
  if (made < 0 || setsockopt(made, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) != 0) return 1;
  if (setsockopt(made, SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof(entries)) != 0) return 2;
  if (setsockopt(made, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof(entries)) != 0) return 3;
  if (setsockopt(made, SOL_XDP, XDP_RX_RING, &entries, sizeof(entries)) != 0) return 4;
  dup2(made, 10);
  execvp(argv[1], argv + 1);
  return 5;
}`)

  requiresKernel('5.3', 'gives programs the sockets to redirect to', async () => {
    const script = `
      import { BpfObject } from 'libbpf-node'
      const object = BpfObject.open(process.argv[1])
      object.program('to_socket').autoload = true
      object.loadSync()
      const run = () => object.program('to_socket').testRunSync({ data: new Uint8Array(64) }).retval
      const xsks = object.map('xsks')
      const results = [run()]
      xsks.set(1, 10)
      results.push(run(), xsks.delete(1), run())
      console.log(...results)`
    const result = await runChild(script, [objectPath('redirect')], { under: [withSocket()] })
    expect(result).toMatchObject({ status: 0, stdout: '2 4 true 2\n', stderr: '' })
  })

  it('accepts only XDP sockets, and cannot be read', () => {
    using object = loadRedirect()
    const xsks = object.map<number, number>('xsks')
    expect(thrownBy(() => xsks.get(0))).toMatchObject({ code: 'ENOTSUP' })
    expect(thrownBy(() => xsks.set(0, 0))).toMatchObject({
      map: 'xsks',
      code: expect.stringMatching(/ENOTSOCK|ENOTSUP|EINVAL/),
    })
  })
})
