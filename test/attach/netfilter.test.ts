import { describe, expect } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { loadOnly, requires, useVeth } from './surroundings.js'

const veth = useVeth()
const runs = (object: { bss: { [name: string]: unknown } }): bigint[] => object.bss.runs as bigint[]

const netfilter = (since: string) => ({
  since,
  missing: 'built without CONFIG_NETFILTER_BPF_LINK',
  here: () => {
    if (!kernelIs('6.4')) return false
    try {
      using object = loadOnly('attach-net', ['nf_accept'])
      object.program('nf_accept').attachNetfilter({ family: 'ipv4', hook: 'input' }).close()
      return true
    } catch {
      return false
    }
  },
})

describe('attachNetfilter', () => {
  requires(netfilter('6.4'), 'sees packets', async () => {
    using object = loadOnly('attach-net', ['nf_accept'])
    using link = object
      .program('nf_accept')
      .attachNetfilter({ family: 'ipv4', hook: 'input', priority: -128 })
    veth.send()
    await until('a packet was seen', () => runs(object)[0]! > 0n)
    expect(link.info()).toMatchObject({
      type: 'netfilter',
      protocolFamily: 2,
      hook: 1,
      priority: -128,
      flags: 0,
    })
  })

  requires(netfilter('6.4'), 'has its priority alone', () => {
    using object = loadOnly('attach-net', ['nf_accept'])
    const options = { family: 'ipv6', hook: 'output', priority: 7 } as const
    using _link = object.program('nf_accept').attachNetfilter(options)
    expect(() => object.program('nf_accept').attachNetfilter(options)).toThrow(
      'another program has that priority',
    )
  })

  requires(netfilter('6.4'), 'wants a family and a hook that exist', () => {
    using object = loadOnly('attach-net', ['nf_accept'])
    const program = object.program('nf_accept')
    // @ts-expect-error not a family
    expect(() => program.attachNetfilter({ family: 'ipx', hook: 'input' })).toThrow(
      "netfilter family 'ipx' does not exist; there are ipv4, ipv6",
    )
    // @ts-expect-error not a hook
    expect(() => program.attachNetfilter({ family: 'ipv4', hook: 'inputs' })).toThrow(TypeError)
  })
})
