import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const soak = fileURLToPath(new URL('../soak/soak.mjs', import.meta.url))

describe('two producers at full speed', () => {
  it('have sent as many records as were received and lost, in order, and memory does not grow', async () => {
    // The script fails if any of that is not so. `npm run test:soak` runs it with more records.
    const { stdout } = await promisify(execFile)(process.execPath, [soak, '5000000'])
    const { sent, received, lost, byProducer } = JSON.parse(stdout)
    expect(sent).toBe(5_000_000)
    expect(received + lost).toBe(sent)
    expect(Math.min(...byProducer)).toBeGreaterThan(0)
  })
})
