import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { BpfMap, type BpfObject, Pidfd } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { fdOf } from '../helpers/fd-of.js'
import { requiresKernel } from '../helpers/kernel.js'
import { open, thrownBy } from '../helpers/objects.js'
import { useCgroup } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

const cgroup = useCgroup()

/** Loads test/bpf/storage.bpf.c with only these of its maps and programs. */
function loadOnly(maps: string[], programs: string[] = []): BpfObject {
  const object = open('storage')
  try {
    for (const map of object.maps.values()) if (!map.isInternal) map.autocreate = maps.includes(map.name)
    for (const program of programs) object.program(program).autoload = true
    object.loadSync()
    return object
  } catch (error) {
    object.close()
    throw error
  }
}

/** Runs a program in the cgroup. */
const runInside = (): void => {
  execFileSync('sh', ['-c', `echo $$ > ${cgroup()}/cgroup.procs; exec true`])
}

describe('task storage', () => {
  requiresKernel('5.11', 'is set, read and deleted by pidfd, and seen by programs', async () => {
    using object = loadOnly(['tasks'], ['on_call_of_task'])
    const tasks = object.map<number, bigint>('tasks')
    using task = Pidfd.open(process.pid)
    expect(tasks.get(task.fd)).toBeUndefined()
    tasks.set(task.fd, 42n)
    expect(tasks.get(task.fd)).toBe(42n)
    object.bss.watched_pid = process.pid
    using _link = object.program('on_call_of_task').attach()
    statSync('/')
    await until('it was seen', () => object.bss.seen_by_task === 42n)
    expect(tasks.delete(task.fd)).toBe(true)
    expect(tasks.delete(task.fd)).toBe(false)
  })

  requiresKernel('5.11', 'refuses other descriptors', () => {
    using object = loadOnly(['tasks'])
    const tasks = object.map<number, bigint>('tasks')
    expect(thrownBy(() => tasks.get(0))).toMatchObject({ map: 'tasks' })
    expect(thrownBy(() => tasks.get(-1))).toMatchObject({ code: 'EBADF' })
  })
})

describe('a pidfd', () => {
  it('can only be opened for a process that exists', () => {
    const error = thrownBy(() => Pidfd.open(2 ** 31 - 1)) as Error
    expect(error).toMatchObject({ code: 'ESRCH' })
    expect(error.message).toContain('the process does not exist')
    expect(thrownBy(() => Pidfd.open('1' as unknown as number))).toBeInstanceOf(TypeError)
    expect(thrownBy(() => Pidfd.open(0))).toMatchObject({ code: 'EINVAL' })
  })

  it('throws after it is closed', () => {
    const task = Pidfd.open(process.pid)
    const { fd } = task
    const path = `/proc/self/fdinfo/${fd}`
    expect(readFileSync(path, 'utf8')).toContain(`Pid:\t${process.pid}`)
    task.close()
    task.close()
    expect(() => task.fd).toThrow('the pidfd is closed')
  })
})

describe('socket storage', () => {
  requiresKernel('5.2', 'is accessed by the descriptor of the socket', async () => {
    using object = loadOnly(['sockets'], ['on_packet'])
    const sockets = object.map<number, bigint>('sockets')
    const socket = createSocket('udp4')
    try {
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      const fd = fdOf(socket)
      expect(sockets.get(fd)).toBeUndefined()
      sockets.set(fd, 100n)
      // The cgroup of this process: the root contains all.
      using _link = object.program('on_packet').attachCgroup(cgroup().replace(/\/[^/]*$/, ''))
      const { port } = socket.address()
      const received = once(socket, 'message')
      socket.send('x', port, '127.0.0.1')
      await received
      expect(sockets.get(fd)).toBe(101n)
      expect(sockets.delete(fd)).toBe(true)
    } finally {
      socket.close()
      await once(socket, 'close')
    }
  })
})

describe('cgroup storage and inode storage', () => {
  requiresKernel('6.2', 'of cgroups is accessed by the descriptor of the directory', () => {
    using object = loadOnly(['cgroups'])
    const map = object.map<number, bigint>('cgroups')
    const fd = openSync(cgroup(), 'r')
    try {
      map.set(fd, 7n)
      expect(map.get(fd)).toBe(7n)
      expect(map.delete(fd)).toBe(true)
      expect(map.get(fd)).toBeUndefined()
    } finally {
      closeSync(fd)
    }
  })

  // Inode storage is part of the BPF LSM (CONFIG_BPF_LSM, and `bpf` in lsm=).
  const hasBpfLsm = (() => {
    try {
      loadOnly(['inodes']).close()
      return true
    } catch (error) {
      if ((error as { code?: string }).code === 'EINVAL') return false
      throw error
    }
  })()
  it.skipIf(!hasBpfLsm)('of inodes are by the descriptor of a file (CONFIG_BPF_LSM)', () => {
    using object = loadOnly(['inodes'])
    const map = object.map<number, bigint>('inodes')
    const fd = openSync('/', 'r')
    try {
      map.set(fd, 8n)
      expect(map.get(fd)).toBe(8n)
      expect(map.delete(fd)).toBe(true)
    } finally {
      closeSync(fd)
    }
  })

  it('cannot be iterated', () => {
    using object = loadOnly(['sockets'])
    expect(thrownBy(() => [...object.map('sockets').keys()])).toMatchObject({ map: 'sockets' })
  })
})

describe('a cgroup array', () => {
  requiresKernel('5.5', 'tells programs whether a task is in a cgroup', () => {
    using object = loadOnly(['watched'], ['on_exec'])
    const watched = object.map<number, number>('watched')
    using _link = object.program('on_exec').attach()
    runInside()
    expect(object.bss.inside).toBe(0n)
    const fd = openSync(cgroup(), 'r')
    watched.set(0, fd)
    closeSync(fd)
    runInside()
    expect(object.bss.inside).toBe(1n)
    execFileSync('true')
    expect(object.bss.inside).toBe(1n)
    expect(watched.delete(0)).toBe(true)
    runInside()
    expect(object.bss.inside).toBe(1n)
  })

  it('accepts only cgroups', () => {
    using object = loadOnly(['watched'])
    const fd = openSync('/', 'r')
    try {
      expect(thrownBy(() => object.map<number, number>('watched').set(0, fd))).toMatchObject({
        code: expect.stringMatching(/EBADF|EINVAL/),
      })
    } finally {
      closeSync(fd)
    }
  })
})

describe('a sockhash', () => {
  requiresKernel('5.10', 'stores descriptors, returns cookies, and drops a socket that closes', async () => {
    using map = BpfMap.create({ type: 'sockhash', keySize: 2, valueSize: 8, maxEntries: 4 })
    const key = Uint8Array.of(1, 2)
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const fd = fdOf(server)
    map.set(key, new Uint8Array(BigUint64Array.of(BigInt(fd)).buffer))
    const cookie = new DataView(map.get(key)!.buffer).getBigUint64(0, true)
    expect(cookie).toBeGreaterThan(0n)
    expect([...map.keys()]).toEqual([key])
    server.close()
    await once(server, 'close')
    await until('it is forgotten', () => map.get(key) === undefined)
    const file = openSync('/', 'r')
    const noSocket = new Uint8Array(BigUint64Array.of(BigInt(file)).buffer)
    expect(thrownBy(() => map.set(key, noSocket))).toMatchObject({ operation: 'bpf_map_update_elem' })
    closeSync(file)
  })
})

describe('stack traces', () => {
  it('are read as arrays of addresses without unused slots', async () => {
    using object = loadOnly(['stacks'], ['on_call'])
    const stacks = object.map<number, bigint[]>('stacks')
    object.bss.watched_pid = process.pid
    const link = object.program('on_call').attach()
    statSync('/')
    await until('a stack was taken', () => (object.data.stack as bigint) >= 0n)
    link.close()
    const id = Number(object.data.stack)
    const addresses = stacks.get(id)!
    expect(addresses.length).toBeGreaterThan(0)
    expect(addresses.length).toBeLessThan(127)
    expect(addresses.every((address) => address > 0xffff_8000_0000_0000n)).toBe(true)
    expect([...stacks.keys()]).toContain(id)
    expect(stacks.raw.get(new Uint8Array(Uint32Array.of(id).buffer))).toHaveLength(127 * 8)
    expect(() => stacks.set(id, [])).toThrow(TypeError)
    expect(stacks.delete(id)).toBe(true)
    expect(stacks.get(id)).toBeUndefined()
  })
})
