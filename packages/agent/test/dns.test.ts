import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Folder, RunningAgent } from './helpers/agent.js'

/** An address of this machine that no other server uses. */
const address = '127.53.53.53'

describe('the collection dns', () => {
  const server = createSocket('udp4')
  beforeAll(async () => {
    server.on('message', (query, { address, port }) => {
      const answer = Buffer.from(query)
      // A response, and RCODE 3: there is no such name.
      answer.writeUInt16BE(0x8183, 2)
      server.send(answer, port, address)
    })
    await new Promise<void>((resolve) => server.bind(53, address, resolve))
  })
  afterAll(() => server.close())

  it('measures how long answers take, by their result', async () => {
    using folder = new Folder()
    const agent = await RunningAgent.start(
      folder.write('agent.yaml', 'listen: 127.0.0.1:0\nprograms:\n  - use: dns\n'),
    )
    try {
      const resolver = new Resolver()
      resolver.setServers([address])
      for (let i = 0; i < 3; i++)
        await expect(resolver.resolve4('nowhere.example')).rejects.toThrow('ENOTFOUND')
      const metrics = await agent.metrics()
      expect(metrics.get('dns_latency_seconds_count{result="no_such_name"}')).toBe(3)
      const sum = metrics.get('dns_latency_seconds_sum{result="no_such_name"}')!
      expect(sum).toBeGreaterThan(0)
      expect(sum).toBeLessThan(60)
    } finally {
      await agent.stop()
    }
  })
})
