import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { useTracefs } from '../helpers/privileged.js'
import { loadOnly, shop, useProgram } from './surroundings.js'

useTracefs()

const program = useProgram(shop)
const unreadable = useProgram(shop.replace('-8@%0', '8@%%xmm0'))
const many = useProgram(shop.replace('-8@%0 8@%1', '4@$1 '.repeat(13)))

// The target is position-independent, as compilers make programs today. To attach in all processes, libbpf needs
// cookies.
describe('attachUsdt', () => {
  requiresKernel('5.15', 'runs at the probe, and can read its arguments and its cookie', () => {
    using object = loadOnly('attach-usdt', ['on_probe'])
    using link = object.program('on_probe').attachUsdt(program(), 'shop', 'sold', { cookie: 12 })
    execFileSync(program())
    expect(object.bss).toMatchObject({ runs: 3n, number: -42n, text: 'apples', cookie: 12n })
    expect(link.target).toBe(`${program()}:shop:sold`)
    link.close()
    execFileSync(program())
    expect(object.bss.runs).toBe(3n)
  })

  requiresKernel('5.15', 'attaches to several probes, repeatedly, and closes links on the pool', async () => {
    using object = loadOnly('attach-usdt', ['on_probe'])
    for (let i = 1; i <= 3; i++) {
      const sold = object.program('on_probe').attachUsdt(program(), 'shop', 'sold')
      const closed = object.program('on_probe').attachUsdt(program(), 'shop', 'closed')
      execFileSync(program())
      expect(object.bss.runs).toBe(BigInt(4 * i))
      await Promise.all([sold.closeAsync(), closed.closeAsync()])
    }
  })

  requiresKernel('5.15', 'closes its object only after its links are closed', async () => {
    const object = loadOnly('attach-usdt', ['on_probe'])
    const link = object.program('on_probe').attachUsdt(program(), 'shop', 'sold')
    const closing = link.closeAsync()
    object.close()
    await closing
    expect(object.closed).toBe(true)
  })

  it('explains a missing probe or file', () => {
    using object = loadOnly('attach-usdt', ['on_probe'])
    const usdt = object.program('on_probe')
    expect(() => usdt.attachUsdt(program(), 'shop', 'robbed')).toThrow(
      `to USDT probe 'shop:robbed' of ${program()}: it has no such probe; 'readelf -n ${program()}' lists its probes (ENOENT)`,
    )
    expect(() => usdt.attachUsdt('/no/such/file', 'shop', 'sold')).toThrow(
      '/no/such/file does not exist or cannot be read',
    )
  })

  requiresKernel(
    '5.15',
    'says which argument of a probe libbpf cannot parse, instead of denying the probe',
    () => {
      using object = loadOnly('attach-usdt', ['on_probe'])
      const usdt = object.program('on_probe')
      // x86's registers; other machines do not have them at all.
      expect(() => usdt.attachUsdt(unreadable(), 'shop', 'sold')).toThrow(
        /the probe exists, but libbpf cannot parse its arguments: .*arg #0.*xmm0.* \(EINVAL\)$/,
      )
      expect(() => usdt.attachUsdt(many(), 'shop', 'sold')).toThrow(
        /libbpf cannot parse its arguments: (too many USDT arguments|unrecognized arg)/,
      )
    },
  )

  requiresKernel(
    '5.15',
    'says that the map of specs is full, and attaches again when a link was closed',
    () => {
      using object = loadOnly('attach-usdt', ['on_probe'], (opened) => {
        opened.map('__bpf_usdt_specs').maxEntries = 3
      })
      const attach = () => object.program('on_probe').attachUsdt(program(), 'shop', 'sold')
      const links = Array.from({ length: 3 }, attach)
      expect(attach).toThrow(/__bpf_usdt_specs is full.*BPF_USDT_MAX_SPEC_CNT.* \(E2BIG\)$/)
      links.pop()!.close()
      attach().close()
      for (const link of links) link.close()
    },
  )
})
