// 20 seconds of what `npm run soak:agent` does for an hour.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const soak = fileURLToPath(new URL('../soak/soak.mjs', import.meta.url))

it('accounts for 100,000 events a second, and leaks no descriptors', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [soak, '--seconds', '20'])
  const { sent, received, lost, dropped, failed, descriptors } = JSON.parse(stdout) as Record<
    string,
    number
  > & {
    descriptors: [number, number]
  }
  expect(received).toBeGreaterThan(0)
  expect(received! + lost! + dropped! + failed!).toBe(sent)
  expect(descriptors[1]).toBeLessThanOrEqual(descriptors[0] + 2)
}, 120_000)
