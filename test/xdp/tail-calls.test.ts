import { BpfObject, detachXdp } from 'libbpf-node'
import {
  add,
  atomic,
  buildObject,
  callFunction,
  exit,
  jeq,
  label,
  ldData,
  ldx,
  mov,
  r0,
  r1,
  r2,
  r6,
  r7,
  r10,
  st,
  types,
} from 'libbpf-node/asm'
import { XdpDispatcher, XdpSocket } from 'libbpf-node/xdp'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { DROP, PASS, runs, TX } from './counting.js'
import { runInOrder, useDispatchers } from './dispatchers.js'
import { packet } from './pair.js'

const dispatchers = useDispatchers({ method: 'tail-calls' })
const { pair, bpffs, objects, make, counting, pins, send } = dispatchers

describe('XdpDispatcher with tail calls', () => {
  it('runs programs in the order of their priorities, and removes them', () =>
    runInOrder(dispatchers, { method: 'tail-calls', version: undefined }))

  it('goes on after each action that is named', async () => {
    const dispatcher = make()
    const first = counting(TX)
    const second = counting(DROP)
    await dispatcher.attach(first.program, { chain: ['tx'] })
    await dispatcher.attach(second.program, { priority: 60, chain: ['drop'] })
    await send(3)
    await until('both ran', () => runs(first.object) >= 3 && runs(second.object) >= 3)
  })

  it('keeps the programs when their objects are closed', async () => {
    const { object, program } = counting(PASS)
    const other = counting(PASS)
    const dispatcher = make({ mode: 'generic' })
    const id = await dispatcher.attach(program)
    await dispatcher.attach(other.program, { priority: 60 })
    object.close()
    expect(dispatcher.state()).toMatchObject({ mode: 'generic', programs: [{ id }, {}] })
    await send()
    await until('the second program still runs', () => runs(other.object) > 0)
  })

  it('runs every program for every packet while others come and go', async () => {
    const dispatcher = make()
    const last = counting(DROP)
    await dispatcher.attach(last.program, { priority: 100 })
    using from = await XdpSocket.open(pair.a, { redirect: false })
    let sent = 0
    const before = runs(last.object)
    const sendSome = () => {
      for (let i = 0; i < 50; i++) sent += Number(from.send(packet(i)))
      from.flush()
    }
    for (let round = 0; round < 10; round++) {
      sendSome()
      const id = await dispatcher.attach(counting(PASS).program)
      sendSome()
      await dispatcher.detach(id)
    }
    await until('the last program has seen all packets', () => runs(last.object) - before >= sent)
  })

  it('takes the priority and the actions of XDP_RUN_CONFIG', async () => {
    const uint = (value: number) => types.pointer(types.array(types.s32, value))
    const make = (members: Record<string, ReturnType<typeof uint>>) => {
      const object = BpfObject.open(
        buildObject({
          license: 'GPL',
          globals: { _count: { type: types.struct('', members), section: '.xdp_run_config' } },
          programs: { count: { section: 'xdp', instructions: [mov(r0, PASS), exit()] } },
        }),
      )
      objects.push(object)
      return object.program('count')
    }
    const dispatcher = new XdpDispatcher(pair.b, { bpffs: bpffs(), method: 'tail-calls' })
    await dispatcher.attach(make({ priority: uint(12), XDP_DROP: uint(1), XDP_PASS: uint(0) }))
    await dispatcher.attach(make({ XDP_TX: uint(1) }))
    await dispatcher.attach(make({ priority: uint(12) }), { priority: 90, chain: ['aborted'] })
    expect(dispatcher.state()!.programs).toMatchObject([
      { priority: 12, chain: ['drop'] },
      { priority: 50, chain: ['pass', 'tx'] },
      { priority: 90, chain: ['aborted'] },
    ])
    await expect(dispatcher.attach(make({ priorities: uint(1) }))).rejects.toThrow("a member 'priorities'")
  })

  it('changes programs with functions, several ends and a full stack', async () => {
    const context = types.pointer(types.struct('xdp_md', { data: types.u32, data_end: types.u32 }))
    const type = types.prototype(types.s32, { ctx: context })
    /** Returns what it has put that far below the top of its stack. */
    const deep = (depth: number) => {
      const object = BpfObject.open(
        buildObject({
          license: 'GPL',
          globals: { runs: { type: types.u64 } },
          functions: {
            count: {
              type,
              instructions: [
                ldData(r1, 'runs'),
                mov(r2, 1),
                atomic('add', 'u64', r1, 0, r2),
                mov(r0, 0),
                exit(),
              ],
            },
          },
          programs: {
            deep: {
              section: 'xdp',
              type,
              instructions: [
                mov(r6, r1),
                mov(r7, r10),
                add(r7, -depth),
                st('u64', r7, 0, PASS),
                callFunction('count'),
                ldx('u64', r0, r10, -depth),
                jeq(r0, PASS, 'end'),
                mov(r0, DROP),
                exit(),
                label('end', mov(r0, PASS)),
                exit(),
              ],
            },
          },
        }),
      )
      objects.push(object)
      return { object, program: object.program('deep') }
    }
    const dispatcher = make()
    const first = deep(8)
    const second = deep(248)
    const last = counting(DROP)
    await dispatcher.attach(first.program)
    await dispatcher.attach(second.program)
    await dispatcher.attach(last.program, { priority: 60 })
    await send()
    await until('all of them ran', () => [first, second, last].every(({ object }) => runs(object) > 0))
    await expect(dispatcher.attach(deep(512).program)).rejects.toThrow('uses all of its stack')
    expect(dispatcher.state()!.programs.length).toBe(3)
  })

  it('runs up to ten programs', async () => {
    const dispatcher = make()
    const ten = Array.from({ length: 10 }, () => counting(PASS))
    for (const { program } of ten) await dispatcher.attach(program)
    await send()
    await until('all ten ran', () => ten.every(({ object }) => runs(object) > 0))
    await expect(dispatcher.attach(counting(PASS).program)).rejects.toMatchObject({ code: 'E2BIG' })
  })

  it('cleans up what killed processes left behind', async () => {
    const dispatcher = make()
    await dispatcher.attach(counting(PASS).program)
    const [stale] = pins()
    detachXdp(pair.b)
    expect(dispatcher.state()).toBeUndefined()
    const { program } = counting(PASS)
    const id = await dispatcher.attach(program)
    const [folder] = pins().filter((name) => name !== stale)
    // As if a program had been pinned and never linked.
    program.pin(bpffs(`xdp/${folder}/1-50-4-0-prog`))
    expect(await dispatcher.clean()).toEqual([stale, '1-50-4-0-prog'])
    expect(dispatcher.state()!.programs.map((one) => one.id)).toEqual([id])
  })

  requiresKernel('5.18', 'does not mix programs for packets of several pieces with others', async () => {
    const dispatcher = make()
    await dispatcher.attach(counting(PASS, 'xdp.frags').program)
    await expect(dispatcher.attach(counting(PASS).program)).rejects.toMatchObject({ code: 'EINVAL' })
    await dispatcher.attach(counting(PASS, 'xdp.frags').program)
    expect(dispatcher.state()!.programs.length).toBe(2)
  })

  it('refuses a method that does not exist', () => {
    expect(() => make({ method: 'calls' as 'freplace' })).toThrow(TypeError)
  })
})
