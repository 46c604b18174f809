import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BpfMap } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { leftBehind, takeSnapshot } from './left-behind.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const options = { type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 } as const

/** Runs a script that uses the package in another process, until `use` ends. */
async function withNeighbor(script: string, use: () => Promise<void>): Promise<void> {
  const source = `import { BpfMap } from 'libbpf-node'
    const options = ${JSON.stringify(options)}
    ${script}
    console.log('ready')`
  const neighbor = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(neighbor.stdout, 'data')
    await use()
  } finally {
    neighbor.kill()
    await once(neighbor, 'close')
  }
}

describe('leftBehind', () => {
  it('reports a map of this process that is not closed, with its descriptor', async () => {
    const before = takeSnapshot()
    const map = BpfMap.create(options)
    try {
      expect(await leftBehind(before, 0.2)).toEqual([
        expect.stringMatching(/^fd \d+ bpf-map$/),
        `map ${map.info().id}`,
      ])
    } finally {
      map.close()
    }
    expect(await leftBehind(before, 10)).toEqual([])
  })

  it('ignores a map that another process keeps open', async () => {
    const before = takeSnapshot()
    await withNeighbor(`globalThis.map = BpfMap.create(options); setInterval(() => {}, 1000)`, async () =>
      expect(await leftBehind(before, 10)).toEqual([]),
    )
  })

  it('ignores maps that another process creates and closes all the time', async () => {
    const before = takeSnapshot()
    // Each one lives until the kernel's next RCU grace period, so at any time there is one that nobody holds.
    const script = `setInterval(() => BpfMap.create(options).close(), 1)`
    await withNeighbor(script, async () => expect(await leftBehind(before, 10)).toEqual([]))
  })
})
