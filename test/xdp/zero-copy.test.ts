// Zero copy, between the two network cards of our guests, which have a cable between them.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { XdpSocket } from 'libbpf-node/xdp'
import { afterAll, describe, expect } from 'vitest'
import { ip } from '../attach/surroundings.js'
import { requiresFeature } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { experimental, numberOf, numbers, packet } from './pair.js'

/** scripts/kernels/guest.mjs gives the cards these addresses. */
const addresses = ['02:00:00:00:01:00', '02:00:00:00:01:01']
const filter = { etherType: experimental }

describe('with zero copy, a socket', () => {
  let cards: string[] = []

  const connect = async (): Promise<void> => {
    execFileSync('modprobe', ['virtio_net'])
    const folder = '/sys/class/net'
    const address = (name: string): string => readFileSync(`${folder}/${name}/address`, 'utf8').trim()
    const names = (): (string | undefined)[] =>
      addresses.map((wanted) => readdirSync(folder).find((name) => address(name) === wanted))
    await until('both cards are there', () => !names().includes(undefined))
    cards = names() as string[]
    for (const card of cards) ip('link', 'set', card, 'up')
  }
  afterAll(() => {
    if (cards.length > 0) execFileSync('modprobe', ['-r', 'virtio_net'])
  })

  const test = async (): Promise<void> => {
    await connect()
    using from = await XdpSocket.open(cards[0]!, { copyMode: 'zero-copy', filter })
    using to = await XdpSocket.open(cards[1]!, { copyMode: 'zero-copy', filter })
    expect([from.zeroCopy, to.zeroCopy]).toEqual([true, true])
    const received: number[] = []
    const returned: number[] = []
    to.drain((batch) => {
      for (let i = 0; i < batch.length; i++) {
        expect(batch.lengths[i]).toBe(100)
        received.push(numberOf(batch.frame(i)))
        batch.send(i)
      }
    })
    from.drain((batch) => {
      for (let i = 0; i < batch.length; i++) returned.push(numberOf(batch.frame(i)))
    })
    for (const first of numbers(10)) {
      for (const i of numbers(50)) expect(from.send(packet(50 * first + i, 100))).toBe(true)
      from.flush()
      await until('they have come back', () => returned.length === 50 * (first + 1))
    }
    expect(received).toEqual(numbers(500))
    expect(returned).toEqual(numbers(500))
  }
  // Older drivers only receive in this way.
  requiresFeature('cards', 'receives and sends, and loses no frame', test, '6.13')
})
