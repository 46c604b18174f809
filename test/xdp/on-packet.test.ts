import { readdirSync } from 'node:fs'
import { BpfObject, TcHook } from 'libbpf-node'
import * as asm from 'libbpf-node/asm'
import { onPacket, XdpDispatcher, XdpSocket } from 'libbpf-node/xdp'
import { describe, expect, it } from 'vitest'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { useBpffs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import { countingBytes } from './counting.js'
import { packet, usePair } from './pair.js'

const pair = usePair()
const bpffs = useBpffs()
const { r0, r1, r2, types } = asm
const [NEXT, OK, SHOT] = [-1, 0, 2]

/** Programs that count, and return these verdicts. */
function counting(...verdicts: number[]): BpfObject {
  const count = (name: string, verdict: number) => [
    asm.ldData(r1, `runs_${name}`),
    asm.mov(r2, 1),
    asm.atomic('add', 'u64', r1, 0, r2),
    asm.mov(r0, verdict),
    asm.exit(),
  ]
  const names = verdicts.map((_, i) => 'abcdef'[i]!)
  const object = BpfObject.open(
    asm.buildObject({
      license: 'GPL',
      globals: Object.fromEntries(names.map((name) => [`runs_${name}`, { type: types.u64 }])),
      programs: Object.fromEntries(
        names.map((name, i) => [name, { section: 'tc', instructions: count(name, verdicts[i]!) }]),
      ),
    }),
  )
  object.loadSync()
  return object
}
const runs = (object: BpfObject, name: string): number => Number(object.bss[`runs_${name}`])
const ids = (object: BpfObject, ...names: string[]) => names.map((name) => object.program(name).id)

async function send(from: string): Promise<void> {
  using socket = await XdpSocket.open(from, { redirect: false })
  socket.send(packet(1))
  socket.flush()
}
const best = kernelIs('6.6') ? 'tcx' : 'clsact'
/** Whether the interface has a clsact qdisc. */
function qdiscs(): boolean {
  const hook = new TcHook(pair.b, 'ingress')
  const made = hook.create()
  if (made) hook.destroy()
  return !made
}

describe('onPacket', () => {
  for (const kind of ['best', 'clsact'] as const) {
    it(`attaches in the order of priorities (${kind})`, async () => {
      using object = counting(NEXT, OK, NEXT, SHOT)
      const options = kind === 'best' ? {} : { kind }
      const hooks = [
        onPacket(pair.b, 'ingress', object.program('b'), { ...options, priority: 50 }),
        onPacket(pair.b, 'ingress', object.program('a'), { ...options, priority: 10 }),
        onPacket(pair.b, 'ingress', object.program('c'), { ...options, priority: 70 }),
        onPacket(pair.b, 'egress', object.program('d'), options),
      ]
      expect(hooks.map(({ kind }) => kind)).toEqual(new Array(4).fill(kind === 'best' ? best : 'clsact'))
      expect(hooks[0]!.order()).toEqual(ids(object, 'a', 'b', 'c'))
      expect(hooks[3]!.order()).toEqual(ids(object, 'd'))
      await send(pair.a)
      await until('the second one ran', () => runs(object, 'a') > 0 && runs(object, 'b') > 0)
      // The second one's verdict is final.
      expect(runs(object, 'c')).toBe(0)
      hooks[0]!.close()
      hooks[0]!.close()
      await send(pair.a)
      await until('the third one ran', () => runs(object, 'c') > 0)
      expect(hooks[1]!.order()).toEqual(ids(object, 'a', 'c'))
      for (const hook of hooks) hook.close()
      expect(qdiscs()).toBe(false)
    })
  }

  it('forgets programs whose object was closed', () => {
    const closed = counting(NEXT)
    const hook = onPacket(pair.b, 'ingress', closed.program('a'), { priority: 20 })
    closed.close()
    using object = counting(NEXT)
    using before = onPacket(pair.b, 'ingress', object.program('a'), { priority: 10 })
    hook.close()
    expect(before.order()).toEqual(ids(object, 'a'))
  })

  it('leaves a clsact qdisc that it has not made, and one that others use meanwhile', () => {
    using object = counting(NEXT, NEXT)
    const hook = new TcHook(pair.b, 'ingress')
    expect(hook.create()).toBe(true)
    onPacket(pair.b, 'ingress', object.program('a'), { kind: 'clsact' }).close()
    expect(qdiscs()).toBe(true)
    hook.destroy()
    const ours = onPacket(pair.b, 'ingress', object.program('a'), { kind: 'clsact' })
    const theirs = new TcHook(pair.b, 'egress').attach(object.program('b'))
    ours.close()
    expect(qdiscs()).toBe(true)
    theirs.close()
    hook.destroy()
  })

  requiresKernel('6.6', 'shows and keeps the programs of others', () => {
    using object = counting(NEXT, NEXT, NEXT)
    using _theirs = object.program('a').attachTcx(pair.b, { direction: 'ingress' })
    using last = onPacket(pair.b, 'ingress', object.program('b'))
    using first = onPacket(pair.b, 'ingress', object.program('c'), { priority: 1 })
    expect(last.order()).toEqual(ids(object, 'a', 'c', 'b'))
    first.close()
    expect(last.order()).toEqual(ids(object, 'a', 'b'))
  })

  it('runs XDP programs in the order of priorities, with those of others', async () => {
    const open = () => BpfObject.open(countingBytes(2))
    using first = open()
    using last = open()
    using others = open()
    const options = { kind: 'xdp', mode: 'native', bpffs: bpffs() } as const
    const hook = await onPacket(pair.b, 'ingress', last.program('count'), options)
    const theirs = await new XdpDispatcher(pair.b, options).attach(others.program('count'))
    expect(hook).toMatchObject({ kind: 'xdp', direction: 'ingress', priority: 100 })
    {
      await using earlier = await onPacket(pair.b, 'ingress', first.program('count'), {
        ...options,
        priority: 1,
      })
      expect(hook.order()).toEqual([first.program('count').id, theirs, last.program('count').id])
      expect(earlier.order()).toEqual(hook.order())
      await send(pair.a)
      await until('all three ran', () => [first, others, last].every((object) => Number(object.bss.runs) > 0))
    }
    expect(hook.order()).toEqual([theirs, last.program('count').id])
    await hook.close()
    await hook.close()
    expect(await new XdpDispatcher(pair.b, options).detach(theirs)).toBe(true)
    expect(readdirSync(bpffs('xdp'))).toEqual([])
  })

  it('leaves nothing of XDP programs whose interface is gone', async () => {
    using object = BpfObject.open(countingBytes(2))
    const hook = await onPacket(pair.b, 'ingress', object.program('count'), { kind: 'xdp', bpffs: bpffs() })
    pair.renew()
    expect(hook.order()).toEqual([])
    await hook.close()
    expect(readdirSync(bpffs('xdp'))).toEqual([])
  })

  it('is gone with its interface', () => {
    using object = counting(NEXT)
    const hooks = [
      onPacket(pair.b, 'ingress', object.program('a')),
      onPacket(pair.b, 'egress', object.program('a'), { kind: 'clsact' }),
    ]
    pair.renew()
    for (const hook of hooks) hook.close()
    expect(qdiscs()).toBe(false)
  })

  it('says what is wrong', () => {
    using object = counting(NEXT)
    const program = object.program('a')
    expect(() => onPacket(pair.b, 'out' as 'egress', program)).toThrow("direction is not 'ingress'")
    expect(() => onPacket(pair.b, 'egress', program, { priority: 0 })).toThrow('between 1 and 65535')
    expect(() => onPacket(pair.b, 'egress', program, { kind: 'tc' as 'tcx' })).toThrow('kind is not')
    expect(() => onPacket(pair.b, 'egress' as 'ingress', program, { kind: 'xdp' })).toThrow('XDP only gets')
    expect(() => onPacket(pair.b, 'egress', 5 as never)).toThrow('program is not a Program')
    expect(() => onPacket('no-such-one', 'egress', program)).toThrow('no such network interface')
    using xdp = BpfObject.open(
      asm.buildObject({
        programs: { x: { section: 'xdp', instructions: [asm.mov(r0, 2), asm.exit()] } },
      }),
    )
    expect(() => onPacket(pair.b, 'ingress', xdp.program('x'))).toThrow(
      "program 'x' is of the type xdp, not sched_cls",
    )
  })
})
