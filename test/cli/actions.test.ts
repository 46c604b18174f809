// A day's work with programs and maps from a shell: load, attach, run, change, pin, detach.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfMap, listLinks, openMap, openPin, Program } from 'libbpf-node'
import { cgroupId, cgroupPath } from 'libbpf-node/format'
import { afterEach, describe, expect, it } from 'vitest'
import { libbpfNode } from '../codegen/helper.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { load, objectPath } from '../helpers/objects.js'
import { useBpffs, useCgroup, useTracefs } from '../helpers/privileged.js'

useTracefs()
const bpffs = useBpffs()
const cgroup = useCgroup()

afterEach(() => {
  execFileSync('find', [bpffs(), '-mindepth', '1', '-delete'])
})

/** Runs a command that succeeds, and returns what it prints. */
async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await libbpfNode(args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

async function refusal(...args: string[]): Promise<{ status: number; stderr: string }> {
  const { status, stderr } = await libbpfNode(args)
  return { status, stderr }
}

const idOf = (path: string): number => {
  using pinned = openPin(path)
  return pinned.info().id
}

describe('libbpf-node prog', () => {
  it('loads the first program of an object and pins it', async () => {
    await run('prog', 'load', objectPath('programs'), bpffs('exec'), 'pinmaps', bpffs('maps'))
    using program = Program.fromPin(bpffs('exec'))
    expect(program.name).toBe('on_exec')
    using map = openPin(bpffs('maps/programs_bss'))
    expect(map).toBeInstanceOf(BpfMap)
    expect(JSON.parse(await run('prog', 'show', 'pinned', bpffs('exec'), '--json', '-f'))).toMatchObject({
      id: program.id,
      name: 'on_exec',
      pinned: [bpffs('exec')],
    })
    const { tag } = program.info()
    expect(JSON.parse(await run('prog', 'list', 'tag', tag, '-j'))).toContainEqual(
      expect.objectContaining({ id: program.id }),
    )
  })

  requiresKernel('5.15', 'attaches what it loads, and detaches it', async () => {
    await run('prog', 'load', objectPath('programs'), bpffs('link'), 'autoattach')
    const [link] = [...listLinks()].filter(({ id }) => id === idOf(bpffs('link')))
    expect(link).toMatchObject({ type: 'raw_tracepoint' })
    expect(await run('link', 'show', 'pinned', bpffs('link'))).toContain('sched_process_exec')
    await run('link', 'detach', 'pinned', bpffs('link'))
    expect(existsSync(bpffs('link'))).toBe(false)
    expect([...listLinks()].map(({ id }) => id)).not.toContain(link!.id)
  })

  requiresKernel('5.7', 'attaches a program that is loaded, as SEC() would say', async () => {
    using object = load('programs')
    const { id } = object.program('on_exec')
    await run('prog', 'attach', String(id), 'raw_tp/sched_process_exec', 'pin', bpffs('exec'))
    const before = object.bss.executions as bigint
    execFileSync('true')
    expect(object.bss.executions).toBeGreaterThan(before)
    expect(JSON.parse(await run('link', 'list', '-f', '-j'))).toContainEqual(
      expect.objectContaining({ programId: id, pinned: [bpffs('exec')] }),
    )
    await run('prog', 'detach', 'id', String(id))
    const after = object.bss.executions
    execFileSync('true')
    expect(object.bss.executions).toBe(after)
    expect((await refusal('prog', 'detach', String(id))).stderr).toContain(`program ${id} has no link`)
  })

  requiresKernel('6.7', 'attaches to a cgroup and to an interface', async () => {
    await run('prog', 'loadall', objectPath('attach-cgroup'), bpffs('all'))
    await run(
      'prog',
      'attach',
      'pinned',
      bpffs('all/skb_egress'),
      'cgroup_skb/egress',
      'cgroup',
      cgroup(),
      'pin',
      bpffs('egress'),
    )
    const [link] = [...listLinks()].filter(({ id }) => id === idOf(bpffs('egress')))
    expect(link).toMatchObject({ type: 'cgroup', attachType: 'cgroup_inet_egress' })
    const line = (await run('link', 'list', 'id', String(link!.id))).replace(/\s+/g, ' ')
    expect(line).toContain(`cgroup ${cgroupPath(cgroupId(cgroup()))}`)
    if (kernelIs('5.9')) {
      await run('prog', 'load', objectPath('programs'), bpffs('none'))
      using object = load('programs')
      const { id } = object.program('swap_macs')
      await run('prog', 'attach', String(id), 'xdp', 'dev', 'lo', 'pin', bpffs('xdp'))
      expect([...listLinks()].find((one) => one.programId === id)).toMatchObject({ type: 'xdp', ifindex: 1 })
      expect(await run('link', 'list')).toContain('interface lo')
      await run('prog', 'detach', String(id))
    }
  })

  it('runs a program with test data', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-run-'))
    try {
      using object = load('programs')
      const packet = Buffer.from('0102030405060708090a0b0c0800'.padEnd(128, '0'), 'hex')
      writeFileSync(join(folder, 'in'), packet)
      const { id } = object.program('swap_macs')
      const args = ['prog', 'run', String(id), 'data_in', join(folder, 'in')]
      expect(await run(...args, 'data_out', join(folder, 'out'))).toMatch(
        /^Return value: 3, duration: \d+ns\n$/,
      )
      expect(readFileSync(join(folder, 'out')).toString('hex')).toMatch(/^0708090a0b0c010203040506/)
      const result = JSON.parse(await run(...args, 'data_out', '-', 'repeat', '10', '--json'))
      expect(result).toMatchObject({ retval: 3, data_out: expect.stringMatching(/^[\da-f]{128}$/) })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('pins, and refuses what is ambiguous, missing or of another kind', async () => {
    using object = load('programs')
    using other = load('programs')
    const { id } = object.program('length')
    await run('prog', 'pin', 'id', String(id), bpffs('length'))
    expect(idOf(bpffs('length'))).toBe(id)
    const ids = [id, other.program('length').id]
    const { stderr } = await refusal('prog', 'pin', 'name', 'length', bpffs('x'))
    expect(stderr).toContain("several programs have the name 'length'")
    for (const one of ids) expect(stderr).toContain(String(one))
    expect((await refusal('prog', 'show', 'name', 'no_such')).stderr).toContain(
      "no program has the name 'no_such'",
    )
    expect((await refusal('map', 'show', 'pinned', bpffs('length'))).stderr).toContain(
      'is a program, not a map',
    )
    expect((await refusal('prog', 'load', objectPath('bad-pointer'), bpffs('x'))).status).toBe(1)
    expect(existsSync(bpffs('x'))).toBe(false)
  })

  it.each([
    [['prog', 'attach', '1', 'xdp'], "expected 'pin'"],
    [['prog', 'load', 'x.bpf.o'], 'PATH missing'],
    [
      ['prog', 'pin', 'x', 'y'],
      "'x' is not a valid id; expected an id, or id ID, pinned PATH, tag TAG, name NAME",
    ],
    [['prog', 'run', '1', 'speed', '9'], "unexpected argument 'speed'"],
    [['map', 'update', '1', 'key', '1'], "expected 'value'"],
    [['map', 'create', '/x', 'type', 'hash'], 'key missing'],
    [['link', 'pin', '1'], 'PATH missing'],
  ])('refuses %j', async (args, message) => {
    const { status, stderr } = await refusal(...args)
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)])
  })
})

describe('libbpf-node map', () => {
  it('creates a map, and writes, reads and deletes entries as numbers and bytes', async () => {
    const path = bpffs('map')
    await run(
      'map',
      'create',
      path,
      'type',
      'hash',
      'key',
      '4',
      'value',
      '8',
      'entries',
      '10',
      'name',
      'counts',
    )
    using map = openMap<Uint8Array, Uint8Array>(idOf(path))
    expect(map.info()).toMatchObject({
      name: 'counts',
      type: 'hash',
      keySize: 4,
      valueSize: 8,
      maxEntries: 10,
    })
    await run('map', 'update', 'pinned', path, 'key', '7', 'value', '-1')
    expect([...map.get(Uint8Array.of(7, 0, 0, 0))!]).toEqual(Array(8).fill(255))
    await run(
      'map',
      'update',
      'pinned',
      path,
      'key',
      'hex',
      '01',
      '02',
      '03',
      '0a',
      'value',
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
      '7',
      '0x8',
      'noexist',
    )
    expect(await run('map', 'lookup', 'pinned', path, 'key', 'hex', '01', '02', '03', '0a')).toBe(
      '01 02 03 0a: 01 02 03 04 05 06 07 08\n',
    )
    const again = await refusal('map', 'update', 'pinned', path, 'key', '7', 'value', '1', 'noexist')
    expect(again.stderr).toContain('EEXIST')
    await run('map', 'delete', 'pinned', path, 'key', '7')
    const gone = await refusal('map', 'lookup', 'pinned', path, 'key', '7')
    expect(gone).toEqual({ status: 1, stderr: 'libbpf-node map: the map has no such key\n' })
    expect(
      (await refusal('map', 'update', 'pinned', path, 'key', '1', 'value', 'hex', '01')).stderr,
    ).toContain('the value has 8 bytes, and 1 are given')
    await run('map', 'pin', 'pinned', path, bpffs('second'))
    expect(idOf(bpffs('second'))).toBe(map.id)
  })

  it.skipIf(!kernelIs('6.0'))('takes JSON by the BTF of the map (Linux 6.0)', async () => {
    using object = load('enums')
    const map = object.map<number, Record<string, unknown>>('paints')
    const value = {
      color: 'GREEN',
      mixed: ['RED', 7],
      size: 'LARGE',
      bits: 'SMALL',
      inner: 'GREEN',
      number: 5,
      share: 0.5,
    }
    await run('map', 'update', String(map.id), 'key', 'RED', 'value', JSON.stringify(value))
    expect(JSON.parse(await run('map', 'lookup', String(map.id), 'key', 'RED', '--json'))).toEqual({
      key: 'RED',
      value,
    })
    const wrong = await refusal('map', 'update', String(map.id), 'key', 'RED', 'value', '{"colour": 1}')
    expect(wrong.stderr).toContain("has no member 'colour'; did you mean 'color'?")
    const type = await refusal('map', 'update', String(map.id), 'key', 'RED', 'value', '{"color": "5x"}')
    expect([type.status, type.stderr]).toEqual([1, expect.stringContaining("has no value '5x'")])
    const name = await refusal('map', 'lookup', String(map.id), 'key', 'REED')
    expect(name.stderr).toContain("has no value 'REED'; did you mean 'RED' or 'GREEN'?")
  })

  it('puts programs into a map of programs', async () => {
    using object = load('tail-calls')
    const [jumps] = [...object.maps.values()].filter(({ type }) => type === 'prog_array')
    const [program] = [...object.programs.values()]
    await run('map', 'update', String(jumps!.id), 'key', '0', 'value', 'id', String(program!.id))
    expect(JSON.parse(await run('map', 'dump', String(jumps!.id), '-j'))[0]).toEqual({
      key: 0,
      value: program!.id,
    })
  })

  requiresKernel('5.2', 'freezes', async () => {
    await run('map', 'create', bpffs('map'), 'type', 'array', 'key', '4', 'value', '4', 'entries', '1')
    await run('map', 'freeze', 'pinned', bpffs('map'))
    const { stderr } = await refusal('map', 'update', 'pinned', bpffs('map'), 'key', '0', 'value', '1')
    expect(stderr).toContain('EPERM')
  })
})
