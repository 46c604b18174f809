import { readdirSync, rmSync } from 'node:fs'
import { BpfObject, detachXdp, queryXdp } from 'libbpf-node'
import { XdpDispatcher, type XdpDispatcherOptions, XdpSocket } from 'libbpf-node/xdp'
import { afterEach, expect } from 'vitest'
import { useBpffs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import { countingBytes, DROP, PASS, runs } from './counting.js'
import { packet, usePair } from './pair.js'

/** Dispatchers on one end of a pair of interfaces, which gets the packets that are sent from the other. */
export function useDispatchers(defaults: XdpDispatcherOptions) {
  const pair = usePair()
  const bpffs = useBpffs()
  const objects: BpfObject[] = []
  afterEach(() => {
    for (const one of objects.splice(0)) one.close()
    // A test that failed has left its programs.
    if (queryXdp(pair.b).mode !== undefined) detachXdp(pair.b)
    rmSync(bpffs('xdp'), { recursive: true, force: true })
  })
  return {
    pair,
    bpffs,
    /** These are closed after each test. */
    objects,
    make: (options: XdpDispatcherOptions = {}) =>
      new XdpDispatcher(pair.b, { bpffs: bpffs(), mode: 'native', ...defaults, ...options }),
    counting(action: number, section?: string) {
      const object = BpfObject.open(countingBytes(action, section))
      objects.push(object)
      return { object, program: object.program('count') }
    },
    pins: () => readdirSync(bpffs('xdp')),
    async send(count = 1): Promise<void> {
      using from = await XdpSocket.open(pair.a, { redirect: false })
      for (let i = 0; i < count; i++) from.send(packet(i))
      from.flush()
    },
  }
}

/** Three programs run in the order of their priorities, the second one drops, and all are removed again. */
export async function runInOrder(
  { pair, make, counting, pins, send }: ReturnType<typeof useDispatchers>,
  state: object,
  whenTwoAreLeft: () => void = () => {},
): Promise<void> {
  const dispatcher = make()
  expect(dispatcher.state()).toBeUndefined()
  const last = counting(PASS)
  const lastId = await dispatcher.attach(last.program, { priority: 60 })
  expect(dispatcher.state()).toMatchObject({
    ...state,
    mode: 'native',
    programs: [{ id: lastId, name: 'count', priority: 60, chain: ['pass'] }],
  })
  const first = counting(PASS)
  const firstId = await dispatcher.attach(first.program, { priority: 10, chain: ['pass', 'tx'] })
  const dropping = counting(DROP)
  const droppingId = await dispatcher.attach(dropping.program, { priority: 30 })
  expect(dispatcher.state()!.programs.map(({ id, chain }) => [id, chain])).toEqual([
    [firstId, ['pass', 'tx']],
    [droppingId, ['pass']],
    [lastId, ['pass']],
  ])
  // The kernel sends packets of its own, which it may have got before.
  const before = runs(last.object)
  await send()
  await until('the first two ran', () => runs(first.object) > 0 && runs(dropping.object) > 0)
  // The second one drops, which is final.
  expect(runs(last.object)).toBe(before)
  expect(await dispatcher.detach(droppingId)).toBe(true)
  expect(await dispatcher.detach(droppingId)).toBe(false)
  await send()
  await until('the last one runs', () => runs(last.object) > before)
  whenTwoAreLeft()
  expect(await dispatcher.detach(firstId)).toBe(true)
  const then = runs(last.object)
  await send()
  await until('the last one runs alone', () => runs(last.object) > then)
  expect(await dispatcher.detach(lastId)).toBe(true)
  expect(queryXdp(pair.b).programId).toBe(0)
  expect(pins()).toEqual([])
}
