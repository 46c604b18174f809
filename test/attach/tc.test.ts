import { TcHook } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { loadOnly, useVeth } from './surroundings.js'

const veth = useVeth()
const load = () => loadOnly('attach-net', ['tc_first', 'tc_second'])
const runs = (object: { bss: { [name: string]: unknown } }): bigint[] => object.bss.runs as bigint[]

describe('attachTc', () => {
  it('runs on incoming packets until it is closed', async () => {
    using object = load()
    const filter = object.program('tc_first').attachTc(veth.name, 'ingress')
    expect(filter.programId).toBe(object.program('tc_first').id)
    veth.send()
    await until('a packet was seen', () => runs(object)[0]! > 0n)
    filter.close()
    filter.close()
    expect(filter.hook.query(filter.handle, filter.priority)).toBeUndefined()
    filter.hook.destroy()
  })

  it('runs on outgoing packets', async () => {
    using object = load()
    using filter = object.program('tc_second').attachTc(veth.name, 'egress', { handle: 3, priority: 5 })
    expect(filter).toMatchObject({ handle: 3, priority: 5 })
    veth.send()
    await until('an answer was seen', () => runs(object)[1]! > 0n)
  })

  it('is replaced atomically', async () => {
    using object = load()
    using filter = object.program('tc_first').attachTc(veth.name, 'ingress')
    const other = filter.replace(object.program('tc_second'))
    expect(other).toMatchObject({ handle: filter.handle, priority: filter.priority })
    expect(filter.hook.query(filter.handle, filter.priority)).toEqual({
      programId: object.program('tc_second').id,
    })
    veth.send()
    await until('a packet was seen', () => runs(object)[1]! > 0n)
    expect(runs(object)[0]).toBe(0n)
  })

  it('refuses a handle and priority that are in use', () => {
    using object = load()
    using filter = object.program('tc_first').attachTc(veth.name, 'ingress', { handle: 1, priority: 1 })
    const again = () => filter.hook.attach(object.program('tc_second'), { handle: 1, priority: 1 })
    expect(thrownBy(again)).toMatchObject({ code: 'EEXIST', target: veth.name })
    expect(again).toThrow('a filter with that handle and priority exists; set the option replace')
  })
})

describe('a TcHook', () => {
  it('is created once, and destroyed with all of its filters', () => {
    using object = load()
    const hook = new TcHook(veth.name, 'ingress')
    try {
      hook.destroy()
    } catch {
      // An earlier test may have created it.
    }
    expect(() => hook.attach(object.program('tc_first'))).toThrow(
      'there is no clsact qdisc; call create() first',
    )
    expect(() => hook.destroy()).toThrow('there is no clsact qdisc')
    expect(hook.create()).toBe(true)
    expect(hook.create()).toBe(false)
    const filter = hook.attach(object.program('tc_first'))
    hook.flush()
    expect(hook.query(filter.handle, filter.priority)).toBeUndefined()
    hook.attach(object.program('tc_first'))
    hook.destroy()
    expect(hook.create()).toBe(true)
    hook.destroy()
  })
})
