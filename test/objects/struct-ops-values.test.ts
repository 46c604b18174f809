import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'

/** Opens a TCP connection with a congestion control, in a network namespace of its own. */
function connectUnder(congestionControl: string): void {
  const program = `
    const { createServer, connect } = require('node:net')
    require('node:fs').writeFileSync('/proc/sys/net/ipv4/tcp_congestion_control', '${congestionControl}')
    const server = createServer((socket) => socket.end('x')).listen(0, '127.0.0.1', () => {
      connect(server.address().port, '127.0.0.1').on('close', () => server.close()).resume()
    })`
  execFileSync('unshare', [
    '--net',
    'sh',
    '-c',
    'ip link set lo up && exec "$0" -e "$1"',
    process.execPath,
    program,
  ])
}

describe('BpfObject.structOps', () => {
  it('has the initial values from C, with programs as functions', () => {
    using object = open('congestion')
    const { my_ops } = object.structOps
    expect(my_ops).toMatchObject({ name: 'libbpf_slow', flags: 0, owner: 0n, list: { next: 0n, prev: 0n } })
    expect(my_ops!.init).toBe(object.program('slow_init'))
    expect(my_ops!.release).toBeUndefined()
    expect(Object.keys(object.structOps)).toEqual(['my_ops'])
    using none = open('globals')
    expect(none.structOps).toEqual({})
  })

  it('changes a member of the initial value and nothing else', () => {
    using object = open('congestion')
    const map = object.map('my_ops')
    const before = map.initialValue!
    object.structOps.my_ops!.flags = 5
    object.structOps.my_ops!.init = object.program('fast_init')
    object.structOps.my_ops!.flags = 0
    object.structOps.my_ops!.init = object.program('slow_init')
    expect(map.initialValue).toEqual(before)
    object.structOps.my_ops!.cong_avoid = undefined
    expect(object.structOps.my_ops!.cong_avoid).toBeUndefined()
    expect(map.initialValue).not.toEqual(before)
  })

  requiresKernel('6.4', 'passes a changed name, flag and program to the kernel', () => {
    using object = open('congestion')
    const name = `ln_${randomBytes(4).toString('hex')}`
    object.structOps.my_ops!.name = name
    object.structOps.my_ops!.init = object.program('fast_init')
    // TCP_CONG_NON_RESTRICTED: other network namespaces can use it.
    object.structOps.my_ops!.flags = 1
    object.loadSync()
    expect(object.program('fast_init').loaded).toBe(true)
    expect(object.program('slow_init').loaded).toBe(false)
    using link = object.map('my_ops').attachStructOps()
    expect((object.links as unknown as Record<string, unknown>).my_ops).toBe(link)
    connectUnder(name)
    expect(object.bss.fast_connections).toBeGreaterThan(0)
    expect(object.bss.slow_connections).toBe(0)
  })

  it('refuses values that do not fit, and stays unchanged', () => {
    using object = open('congestion')
    using other = open('congestion')
    const my_ops = object.structOps.my_ops!
    const before = object.map('my_ops').initialValue
    for (const wrong of ['fast_init', 5n, null, {}, other.program('fast_init')]) {
      expect(() => {
        my_ops.init = wrong
      }).toThrow(/^my_ops\.init: expected a program of object 'congestion'$/)
    }
    expect(() => {
      my_ops.name = 'a name of more than sixteen bytes'
    }).toThrow(/^my_ops\.name: /)
    expect(() => {
      my_ops.flags = -1
    }).toThrow('my_ops.flags: -1 does not fit u32')
    expect(() => {
      my_ops.initt = undefined
    }).toThrow(TypeError)
    expect(() => {
      ;(object.structOps as Record<string, unknown>).my_ops = {}
    }).toThrow(TypeError)
    expect(object.map('my_ops').initialValue).toEqual(before)
  })

  requiresKernel('6.4', 'accepts a program of another kind, which load then refuses', () => {
    using object = open('congestion')
    object.structOps.my_ops!.init = object.program('bystander')
    expect(thrownBy(() => object.loadSync())).toMatchObject({ operation: 'bpf_object__load' })
  })

  requiresKernel('6.4', 'can no longer be read or changed after load', () => {
    using object = load('congestion')
    const { my_ops } = object.structOps
    expect(thrownBy(() => my_ops!.name)).toMatchObject({ code: 'ERR_BPF_STATE', map: 'my_ops' })
    expect(() => {
      my_ops!.name = 'x'
    }).toThrow("struct_ops map 'my_ops' cannot be read or changed once the object is loaded")
  })

  it('is closed with its object', () => {
    const object = open('congestion')
    const { my_ops } = object.structOps
    object.close()
    expect(thrownBy(() => my_ops!.name)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(thrownBy(() => my_ops!.init)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })
})
