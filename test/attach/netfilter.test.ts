import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect } from 'vitest'
import { kernelIs, requiresFeature } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { loadOnly, useVeth } from './surroundings.js'

const veth = useVeth()
const runs = (object: { bss: { [name: string]: unknown } }): bigint[] => object.bss.runs as bigint[]

describe('attachNetfilter', () => {
  requiresFeature('netfilter', 'sees packets', async () => {
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

  requiresFeature(
    'netfilter',
    'stops what the program stops, and can put fragments together (Linux 6.6)',
    async () => {
      using object = loadOnly('attach-net', ['nf_drop'])
      const defragment = kernelIs('6.6')
      using link = object
        .program('nf_drop')
        .attachNetfilter({ family: 'ipv4', hook: 'prerouting', priority: -100, defragment })
      expect(link.info()).toMatchObject({ hook: 0, priority: -100, flags: defragment ? 1 : 0 })
      const socket = createSocket('udp4')
      try {
        socket.bind(4242, veth.address)
        await once(socket, 'listening')
        let texts = ''
        socket.on('message', (message) => {
          texts += message
        })
        veth.send(4242, 'one')
        await until('the datagram was stopped', () => runs(object)[0]! > 0n)
        link.close()
        veth.send(4242, 'two')
        await until('a datagram has come', () => texts !== '')
        expect(texts).toBe('two')
      } finally {
        socket.close()
        await once(socket, 'close')
      }
    },
  )

  requiresFeature('netfilter', 'refuses a priority that another program has', () => {
    using object = loadOnly('attach-net', ['nf_accept'])
    const options = { family: 'ipv6', hook: 'output', priority: 7 } as const
    using _link = object.program('nf_accept').attachNetfilter(options)
    expect(() => object.program('nf_accept').attachNetfilter(options)).toThrow(
      'another program already has that priority',
    )
  })

  requiresFeature('netfilter', 'requires a known family and hook', () => {
    using object = loadOnly('attach-net', ['nf_accept'])
    const program = object.program('nf_accept')
    // @ts-expect-error not a family
    expect(() => program.attachNetfilter({ family: 'ipx', hook: 'input' })).toThrow(
      "netfilter family 'ipx' does not exist; choose from ipv4, ipv6",
    )
    // @ts-expect-error not a hook
    expect(() => program.attachNetfilter({ family: 'ipv4', hook: 'inputs' })).toThrow(TypeError)
  })
})
