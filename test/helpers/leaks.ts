// A setup file (vitest.config.ts): fails every test file that leaves something behind.
import { stat } from 'node:fs/promises'
import { afterAll, beforeAll } from 'vitest'
import { leftBehind, type Snapshot, takeSnapshot } from './left-behind.js'
import { slowness } from './slowness.js'

// Of two files at a time, the other one may leave an object to the kernel, such as a filter of an interface. What they
// leave there is looked for when all of them have run (leaks-of-all.ts). In guests, all files run alone.
const where = process.env.LIBBPF_NODE_TESTS_BESIDE === undefined ? 'both' : 'process'
let before: Snapshot

beforeAll(async () => {
  // libuv starts the threads of its pool when there is work for the first time.
  await Promise.all(Array.from({ length: 8 }, () => stat('/')))
  before = takeSnapshot()
})

afterAll(async () => {
  const rest = await leftBehind(before, 20, where)
  if (rest.length > 0) throw new Error(`the tests of this file left behind: ${rest.join(', ')}`)
}, 30_000 * slowness)
