import { XdpRedirect, XdpSocket, type XdpTimestamps } from 'libbpf-node/xdp'
import { describe, expect, it } from 'vitest'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { experimental, packet, usePair } from './pair.js'

const pair = usePair()
const filter = { etherType: experimental }

/** The timestamps of three packets. */
async function receive(timestamps: XdpTimestamps, mode: 'native' | 'generic' = 'native'): Promise<bigint[]> {
  using from = await XdpSocket.open(pair.a, { redirect: false })
  using to = await XdpSocket.open(pair.b, { filter, mode, timestamps })
  const times: bigint[] = []
  to.drain((batch) => {
    for (let i = 0; i < batch.length; i++) times.push(batch.timestamp(i))
  })
  for (let i = 0; i < 3; i++) {
    from.send(packet(i))
    from.flush()
  }
  await until('three packets arrived', () => times.length === 3)
  return times
}

describe('timestamps of an XdpSocket', () => {
  for (const mode of ['native', 'generic'] as const) {
    it(`are those of process.hrtime.bigint() (${mode})`, async () => {
      const before = process.hrtime.bigint()
      const times = await receive('kernel', mode)
      const all = [before, ...times, process.hrtime.bigint()]
      expect(all).toEqual(all.toSorted((a, b) => Number(a - b)))
    })
  }

  requiresKernel('6.3', 'are 0 if the device has no clock', async () => {
    expect(await receive('device')).toEqual([0n, 0n, 0n])
  })

  it('of a device require Linux 6.3', async () => {
    if (kernelIs('6.3')) return
    await expect(XdpSocket.open(pair.b, { timestamps: 'device' })).rejects.toThrow('require Linux 6.3')
  })

  it('come with the redirect that several sockets share', async () => {
    using redirect = new XdpRedirect(pair.b, { filter, timestamps: 'kernel' })
    using from = await XdpSocket.open(pair.a, { redirect: false })
    using to = await XdpSocket.open(pair.b, { redirect })
    let time = 0n
    to.drain((batch) => {
      time = batch.timestamp(0)
    })
    from.send(packet(1))
    await until('it arrived', () => time > 0n)
  })

  it('throw without the option', async () => {
    using from = await XdpSocket.open(pair.a, { redirect: false })
    using to = await XdpSocket.open(pair.b, { filter })
    let error: unknown
    to.drain((batch) => {
      try {
        batch.timestamp(0)
      } catch (caught) {
        error = caught
      }
    })
    from.send(packet(1))
    await until('the callback ran', () => error !== undefined)
    expect(error).toMatchObject({ code: 'ERR_BPF_STATE' })
    await expect(XdpSocket.open(pair.b, { timestamps: 'card' as 'device' })).rejects.toThrow(TypeError)
  })
})
