import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { BpfError, type BpfObject } from 'libbpf-node'
import { describe, expect } from 'vitest'
import { congested, useProgram } from '../attach/surroundings.js'
import { requiresKernel } from '../helpers/kernel.js'
import { open, thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

const asking = useProgram(congested)
/** Opens a connection with the congestion control. */
const ask = () => execFileSync(asking(), ['libbpf_node'], { stdio: 'ignore' })

/** Whether TCP knows the congestion control of struct-ops.bpf.c. */
const isThere = (): boolean =>
  readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8').includes('libbpf_node')

function loadOps(): BpfObject {
  const object = open('struct-ops')
  object.map('two').autoattach = false
  object.loadSync()
  return object
}

describe('struct_ops maps', () => {
  requiresKernel('6.4', 'are attached by attach until their link is closed', async () => {
    using object = loadOps()
    expect(object.map('one').autoattach).toBe(true)
    expect(isThere()).toBe(false)
    const [link, ...others] = object.attach()
    expect(others).toEqual([])
    expect(isThere()).toBe(true)
    expect(link!.info()).toMatchObject({ type: 'struct_ops', mapId: object.map('one').id })
    link!.close()
    await until('it is gone', () => !isThere())
  })

  requiresKernel('6.4', 'are detached by detach, which leaves an open link without effect', async () => {
    using object = loadOps()
    using link = object.map('one').attachStructOps()
    expect(isThere()).toBe(true)
    link.detach()
    await until('it is gone', () => !isThere())
    expect(link.closed).toBe(false)
    expect(link.info()).toMatchObject({ type: 'struct_ops', mapId: 0 })
  })

  requiresKernel('6.4', 'are replaced by updateMap', () => {
    using object = loadOps()
    using link = object.map('one').attachStructOps()
    const { id } = link.info()
    link.updateMap(object.map('two'))
    expect(link.info()).toMatchObject({ id, mapId: object.map('two').id })
    expect(isThere()).toBe(true)
  })

  requiresKernel('6.4', 'are used by sockets that select them by name, until they are replaced', () => {
    using object = loadOps()
    using link = object.map('one').attachStructOps()
    ask()
    expect(object.bss.initialized).toEqual([1n, 0n])
    link.updateMap(object.map('two'))
    ask()
    expect(object.bss.initialized).toEqual([1n, 1n])
    link.close()
    expect(() => ask()).toThrow('Command failed')
  })

  requiresKernel('5.6', 'are needed to load their programs, and the error says so', () => {
    using object = open('bad-struct-ops')
    expect(thrownBy(() => object.loadSync())).toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining(
        `program 'lonely' is in no struct_ops map, and the kernel accepts it only in one; add it to a map, or declare it SEC("?struct_ops")`,
      ),
    })
  })

  requiresKernel('6.4', 'can only replace maps of the same kind', () => {
    using object = loadOps()
    using link = object.map('one').attachStructOps()
    expect(thrownBy(() => link.update(object.program('ssthresh')))).toMatchObject({
      operation: 'bpf_link__update_program',
    })
    expect(link.info()).toMatchObject({ mapId: object.map('one').id })
  })

  requiresKernel('6.4', 'are refused if their name is already registered', () => {
    using object = loadOps()
    using link = object.map('one').attachStructOps()
    expect(thrownBy(() => object.map('two').attachStructOps())).toMatchObject({ map: 'two', code: 'EEXIST' })
    expect(link.info()).toMatchObject({ mapId: object.map('one').id })
  })

  requiresKernel('6.4', 'have typed initial values that can be changed until load', () => {
    using object = open('struct-ops')
    const map = object.map('one')
    const ops = object.codec<{ name: string; init: bigint; cong_control: bigint }>('tcp_congestion_ops')
    const value = ops.decodeBytes(map.initialValue!)
    expect(value).toMatchObject({ name: 'libbpf_node', cong_control: 0n })
    expect(value.init).not.toBe(0n)
    map.initialValue = ops.encodeBytes({ ...value, name: 'libbpf_other', init: 0n })
    expect(ops.decodeBytes(map.initialValue!)).toMatchObject({ name: 'libbpf_other', init: 0n })
    expect(() => {
      map.initialValue = new Uint8Array(3)
    }).toThrow(BpfError)
    object.map('two').autoattach = false
    object.program('first_init').autoload = false
    object.loadSync()
    using _link = object.map('one').attachStructOps()
    expect(execFileSync(asking(), ['libbpf_other'], { encoding: 'utf8' })).toBe('')
    expect(object.bss.initialized).toEqual([0n, 0n])
    expect(() => ask()).toThrow('Command failed')
  })

  requiresKernel('6.4', 'are refused with a function that is not a program of the object', () => {
    using object = open('struct-ops')
    const ops = object.codec<Record<string, unknown>>('tcp_congestion_ops')
    const map = object.map('one')
    map.initialValue = ops.encodeBytes({ ...ops.decodeBytes(map.initialValue!), init: 0xdeadbeefn })
    expect(thrownBy(() => object.loadSync())).toBeInstanceOf(BpfError)
  })

  requiresKernel('6.4', 'have an initial value until load', () => {
    using object = open('struct-ops')
    const before = object.map('one').initialValue!
    expect(Buffer.from(before).includes('libbpf_node')).toBe(true)
    object.loadSync()
    expect(object.map('one').initialValue).toBeUndefined()
  })
})
