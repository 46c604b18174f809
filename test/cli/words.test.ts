// bpftool's words, for those who know them.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfMap, BpfObject, querySockmap } from 'libbpf-node'
import { compileC } from 'libbpf-node/c'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { loadOnly } from '../attach/surroundings.js'
import { cli, libbpfNode } from '../codegen/helper.js'
import { bpftoolText, comparesWithBpftool } from '../helpers/bpftool.js'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { load, objectPath } from '../helpers/objects.js'
import { useBpffs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

const bpffs = useBpffs()
const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => {
  execFileSync('find', [bpffs(), '-mindepth', '1', '-delete'])
})

/** Runs a command that succeeds, and returns what it prints. */
async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await libbpfNode(args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

const refusal = async (...args: string[]): Promise<string> => (await libbpfNode(args)).stderr

describe('libbpf-node', () => {
  it('takes options before the command, and show without a name for all', async () => {
    using object = load('maps')
    const { id } = [...object.maps.values()][0]!
    const ids = async (...args: string[]) =>
      (JSON.parse(await run(...args)) as { id: number }[]).map((one) => one.id)
    expect(await ids('-j', 'map', 'show')).toContain(id)
    expect(await ids('-p', 'map', 'list')).toContain(id)
    expect(await ids('prog', 'show', '--pretty')).not.toContain(undefined)
    expect(await ids('map', '-j')).toContain(id)
    expect(await run('feature', 'probe', 'kernel', 'machine')).toContain('JIT')
    expect(await run('version')).toMatch(/^\d+\.\d+/)
    expect(await refusal('prog', 'profile')).toContain("'libbpf-node top'")
  })
})

describe('libbpf-node map', () => {
  it('walks over keys', async () => {
    using map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 2 })
    const id = String(map.id)
    expect(await refusal('map', 'getnext', id)).toContain('the map is empty')
    map.set(Uint8Array.of(1, 2, 3, 4), new Uint8Array(4))
    expect(await run('map', 'getnext', id)).toBe('01 02 03 04\n')
    expect(JSON.parse(await run('map', 'getnext', id, '-j'))).toEqual({ key: null, next_key: '01020304' })
    expect(await refusal('map', 'getnext', id, 'key', '1', '2', '3', '4')).toContain(
      'there is no key after it',
    )
  })

  it('adds to queues and stacks, and takes from them', async () => {
    using queue = BpfMap.create({ type: 'queue', keySize: 0, valueSize: 4, maxEntries: 2 })
    using stack = BpfMap.create({ type: 'stack', keySize: 0, valueSize: 4, maxEntries: 2 })
    const ids = [queue, stack].map((map) => String(map.id))
    for (const value of ['1', '2']) {
      await run('map', 'enqueue', ids[0]!, 'value', value)
      await run('map', 'push', ids[1]!, 'value', value)
    }
    expect(await run('map', 'peek', ids[0]!)).toBe('01 00 00 00\n')
    expect(JSON.parse(await run('map', 'dequeue', ids[0]!, '-j'))).toEqual({ value: '01000000' })
    expect(await run('map', 'pop', ids[1]!)).toBe('02 00 00 00\n')
    expect(await run('map', 'pop', ids[1]!)).toBe('01 00 00 00\n')
    expect(await refusal('map', 'pop', ids[1]!)).toContain('the map is empty')
    using hash = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 2 })
    expect(await refusal('map', 'pop', String(hash.id))).toContain('of type hash, and not a queue or a stack')
    expect(await refusal('map', 'event_pipe', String(hash.id))).toContain('and not a perf_event_array')
  })
})

describe('libbpf-node map event_pipe', () => {
  it('prints the records of a perf event array until it is stopped', async () => {
    using object = load('events-perf')
    const child = spawn(process.execPath, [
      cli,
      'map',
      'event_pipe',
      'id',
      String(object.map('events').id),
      '-j',
    ])
    const closed = once(child, 'close')
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    try {
      await until('a record was printed', () => {
        object.program('produce').testRunSync()
        return output.includes('\n')
      })
      child.kill('SIGINT')
      expect(await closed).toEqual([0, null])
      const [first] = output.split('\n').map((line) => line && JSON.parse(line))
      // What follows the number and the CPU, and no padding.
      expect(first).toEqual({
        cpu: expect.any(Number),
        data: expect.stringMatching(/0102030405060708090a0b0c/),
      })
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('libbpf-node prog', () => {
  it('writes the instructions of a program to a file', async () => {
    using object = load('exec')
    const program = object.program('on_exec')
    const file = join(folder, 'xlated')
    await run('prog', 'dump', 'xlated', 'id', String(program.id), 'file', file)
    expect(readFileSync(file)).toHaveLength(program.info().xlatedSize)
    expect(await run('prog', 'dump', 'xlated', 'id', String(program.id), 'linum', 'opcodes')).toContain(
      '; struct',
    )
  })

  it('attaches to a sockmap without a link, and detaches', async () => {
    using object = loadOnly('attach-net', ['on_message'])
    using map = BpfMap.create({ type: 'sockmap', keySize: 4, valueSize: 4, maxEntries: 1 })
    const { id } = object.program('on_message')
    const place = [String(id), 'msg_verdict', 'id', String(map.id)]
    await run('prog', 'attach', ...place)
    try {
      expect(querySockmap(map, 'sk_msg_verdict').programs.map(({ programId }) => programId)).toEqual([id])
    } catch (error) {
      // Linux 5.18
      expect(error).toMatchObject({ code: 'EINVAL' })
    }
    await run('prog', 'detach', ...place)
    expect(await refusal('prog', 'detach', ...place)).toContain('it is not attached there')
    expect(await refusal('prog', 'attach', String(id), 'flow_dissector')).toContain("'pin PATH' says where")
  })
})

describe('libbpf-node btf dump', () => {
  const object = objectPath('maps')

  it('takes the words of bpftool for what to dump', async () => {
    expect(await run('btf', 'dump', 'file', object, 'format', 'c')).toContain('struct point {')
    using loaded = load('maps')
    const id = String(loaded.map('points').id)
    expect(await run('btf', 'dump', 'map', id, 'value', 'format', 'c')).toMatch(/struct point \{[^}]*\};/)
    expect(await run('btf', 'dump', 'map', 'id', id, 'value', 'format', 'raw')).toMatch(
      /^\[\d+\] STRUCT 'point' size=\d+ vlen=3\n\t'x' type_id=\d+ bits_offset=0$/m,
    )
    using bare = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    expect(await refusal('btf', 'dump', 'map', String(bare.id))).toContain('has no BTF')
    expect(await refusal('btf', 'dump', 'file', object, 'root_id', '1')).toContain("goes with 'format raw'")
    expect(await refusal('btf', 'dump', 'file', object, 'format', 'rust')).toContain('expected c, raw')
  })

  comparesWithBpftool('prints the types as bpftool does', async () => {
    for (const name of ['maps', 'enums', 'core', 'skeleton']) {
      const path = objectPath(name)
      expect(await run('btf', 'dump', 'file', path, 'format', 'raw')).toBe(
        bpftoolText('btf', 'dump', 'file', path),
      )
    }
  })
})

describe('libbpf-node struct_ops', () => {
  const congestionControls = () => readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8')

  requiresKernel('6.4', 'registers, shows and unregisters', async () => {
    expect(await refusal('struct_ops', 'register', objectPath('congestion'))).toContain('LINK_DIR missing')
    const [registered] = JSON.parse(
      await run('struct_ops', 'register', objectPath('congestion'), bpffs('ops'), '-j'),
    ) as [{ id: number; name: string }]
    expect(registered).toMatchObject({ kernel_struct_ops: 'tcp_congestion_ops' })
    expect(congestionControls()).toContain('libbpf_slow')
    const id = String(registered.id)
    expect(await run('struct_ops', 'list')).toMatch(
      new RegExp(`^ *${id}  ${registered.name} +tcp_congestion_ops$`, 'm'),
    )
    expect(JSON.parse(await run('struct_ops', 'dump', id, '-j'))).toMatchObject([
      { value: { data: { name: /./ } } },
    ])
    await run('struct_ops', 'unregister', id)
    expect(congestionControls()).not.toContain('libbpf_slow')
  })

  requiresKernel('5.6', 'registers and unregisters what needs no link', async () => {
    const source = readFileSync(new URL('../bpf/congestion.bpf.c', import.meta.url), 'utf8')
    const { object } = await compileC(source.replace('.struct_ops.link', '.struct_ops'))
    const file = join(folder, 'congestion.bpf.o')
    writeFileSync(file, object)
    const registered = await run('struct_ops', 'register', file)
    const [, id] = /^Registered tcp_congestion_ops my_ops id (\d+)\n$/.exec(registered)!
    expect(congestionControls()).toContain('libbpf_slow')
    await run('struct_ops', 'unregister', 'id', id!)
    expect(congestionControls()).not.toContain('libbpf_slow')
  })
})

describe('libbpf-node iter', () => {
  const pinned = async () => {
    await run('iter', 'pin', objectPath('attach-iter'), bpffs('tasks'))
    expect(readFileSync(bpffs('tasks'), 'latin1')).toContain(`${process.pid}`)
    using object = loadOnly('attach-iter', [])
    const numbers = object.map<number, number>('numbers').set(1, 4711)
    await run('iter', 'pin', objectPath('attach-iter'), bpffs('numbers'), 'map', String(numbers.id))
    expect(readFileSync(bpffs('numbers')).readUInt32LE(4)).toBe(4711)
    await run('link', 'detach', 'pinned', bpffs('numbers'))
    expect(readdirSync(bpffs())).toEqual(['tasks'])
  }
  requiresFeature('mapElements', 'pins an iterator, which can be read', pinned, '5.9')
})

describe('libbpf-node gen', () => {
  it('links objects', async () => {
    const linked = join(folder, 'linked.bpf.o')
    await run('gen', 'object', linked, objectPath('linked-main'), objectPath('linked-library'))
    using object = BpfObject.open(linked)
    expect(object.programs.size).toBeGreaterThan(0)
    object.loadSync()
    expect(await refusal('gen', 'object', linked)).toContain('INPUT missing')
    expect(await refusal('gen', 'skeleton', linked)).toContain("'libbpf-node gen FILE' is enough")
  })

  it('writes the part of the BTF of the kernel that objects need', async () => {
    const small = join(folder, 'small.btf')
    const names = ['core', 'core-proc', 'attach-iter']
    await run('gen', 'min_core_btf', '/sys/kernel/btf/vmlinux', small, ...names.map(objectPath))
    expect(readFileSync(small).length).toBeLessThan(10_000)
    for (const name of names) {
      const code = (options: object) => {
        using object = BpfObject.open(objectPath(name), options)
        object.prepareSync()
        return [...object.programs.values()].map(({ instructions }) =>
          Buffer.from(instructions).toString('hex'),
        )
      }
      expect(code({ btfCustomPath: small })).toEqual(code({}))
    }
  })
})
