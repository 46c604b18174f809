import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Containers, type Follow, type FollowOptions } from '@libbpf-node/otel/containers'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeImage, TestContainer } from '../../../../test/helpers/container.js'
import { useCgroup } from '../../../../test/helpers/privileged.js'
import { until } from '../../../../test/helpers/until.js'

// Counts how often a program is started, for each cgroup.
const source = `
import { bpf, hash, uprobe, type u64 } from 'libbpf-node/kernel'
export const starts = hash<u64, u64>(1024)
export const onMain = uprobe(() => {
  starts.add(bpf.getCurrentCgroupId(), 1)
  return 0
})
export const license = 'GPL'
`

describe('Containers.follow', () => {
  const cgroup = useCgroup()
  let folder = ''
  let image = ''
  let other = ''
  let number = 0
  let containers: Containers
  let object: BpfObject

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'libbpf-node-follow-'))
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder])
    image = makeImage(join(folder, 'image'), (path) => {
      symlinkSync('/app/worker', join(path, 'app/link'))
      // The host has a file there, and the image has none.
      symlinkSync(join(folder, 'image/app/worker'), join(path, 'app/outside'))
      symlinkSync('../../../../../../app/worker', join(path, 'app/above'))
    })
    other = makeImage(join(folder, 'other'))
    containers = await Containers.open({ host: folder, cgroups: cgroup() })
    object = BpfObject.open(compile(source, { file: 'starts.bpf.ts' }).object)
    await object.load()
  })
  afterAll(() => {
    containers.close()
    object.close()
    execFileSync('umount', [folder])
    rmSync(folder, { recursive: true })
  })

  const start = async (from = image, name = `container-${++number}`): Promise<TestContainer> => {
    const container = new TestContainer(from, join(folder, `root-${number}-${name}`), join(cgroup(), name))
    await until('its cgroup is known', () => containers.get(container.id) !== undefined)
    return container.ready()
  }
  const follow = (options: FollowOptions): Promise<Follow> =>
    containers.follow({ linger: 0.05, ...options }, ({ path }) =>
      object.program('onMain').attachUprobe(path, { symbol: 'main' }),
    )
  const starts = ({ id }: TestContainer): number => Number(object.map<bigint, bigint>('starts').get(id) ?? 0)
  const pathsOf = (one: Follow): string[][] =>
    one.files.map(({ containers: found }) => found.map(({ path }) => path).sort())

  it('attaches to what runs and to what starts later, once to files that are shared', async () => {
    await using first = await start()
    using following = await follow({ binary: '/app/worker' })
    expect(following.files).toMatchObject([{ binary: '/app/worker', containers: [{ path: '/container-1' }] }])
    await first.run()
    expect(starts(first)).toBe(1)

    await using second = await start()
    await until('the second is known', () => pathsOf(following)[0]?.length === 2)
    expect(pathsOf(following)).toEqual([['/container-1', '/container-2']])
    // Its own start is counted or not: it does not wait for us.
    const before = starts(second)
    await second.run()
    await first.run()
    expect([starts(first), starts(second) - before]).toEqual([2, 1])

    await using third = await start(other)
    await until('the third is attached', () => following.files.length === 2)
    await following.settled()
    const ofThird = starts(third)
    await third.run()
    expect(starts(third) - ofThird).toBe(1)

    await first[Symbol.asyncDispose]()
    await until('the first is gone', () => pathsOf(following)[0]?.length === 1)
    await second.run()
    expect(starts(second) - before).toBe(2)
    await second[Symbol.asyncDispose]()
    await third[Symbol.asyncDispose]()
    await until('all are gone', () => following.files.length === 0)
    expect([...object.links]).toEqual([])
  })

  it('detaches when it is closed', async () => {
    await using container = await start()
    const following = await follow({ binary: '/app/worker' })
    expect([...object.links].length).toBe(1)
    following.close()
    following.close()
    expect([...object.links]).toEqual([])
    await container.run()
    expect(starts(container)).toBe(0)
  })

  it.each([
    ['a link', '/app/link'],
    ['a link that climbs too high', '/app/above'],
    ['the name of what runs', 'worker'],
  ])('finds %s in the root of the container', async (_what, binary) => {
    await using container = await start()
    using following = await follow({ binary })
    await container.run()
    expect(following.files).toMatchObject([{ binary: '/app/worker' }])
    expect(starts(container)).toBe(1)
  })

  it('finds a library by its name', async () => {
    await using _container = await start()
    using following = await containers.follow({ binary: 'libc.so.6' }, () => [])
    const [file] = following.files
    expect(file!.binary).toMatch(/\/libc[.-]/)
  })

  it('does not let a link lead out of the container', async () => {
    await using _container = await start()
    using following = await follow({ binary: '/app/outside' })
    expect(following.files).toEqual([])
  })

  it('chooses by cgroup', async () => {
    await using wanted = await start(image, 'shop-1')
    await using unwanted = await start(other, 'bank-1')
    using following = await follow({ binary: '/app/worker', cgroup: '/shop-*' })
    await wanted.run()
    await unwanted.run()
    expect(pathsOf(following)).toEqual([['/shop-1']])
    expect([starts(wanted), starts(unwanted)]).toEqual([1, 0])
    await using later = await start(other, 'shop-2')
    await until('it is attached', () => following.files.length === 2)
    await later.run()
    expect(starts(unwanted)).toBe(0)
  })

  it('chooses by image, as soon as its name is known', async () => {
    const id = 'd'.repeat(64)
    using following = await follow({ binary: '/app/worker', image: 'shop/*' })
    await using container = await start(image, `docker-${id}.scope`)
    await following.settled()
    expect(following.files).toEqual([])
    const config = join(folder, 'var/lib/docker/containers', id)
    mkdirSync(config, { recursive: true })
    writeFileSync(
      join(config, 'config.v2.json'),
      JSON.stringify({ Name: '/front', Config: { Image: 'shop/web:1' } }),
    )
    await until('it is attached', () => following.files.length === 1)
    await following.settled()
    expect(following.files).toMatchObject([{ containers: [{ container: 'front', image: 'shop/web:1' }] }])
    await container.run()
    expect(starts(container)).toBe(1)
  })

  it('keeps what could not be attached, and goes on', async () => {
    await using _container = await start()
    using following = await containers.follow({ binary: '/app/worker' }, ({ path }) =>
      object.program('onMain').attachUprobe(path, { symbol: 'no_such_function' }),
    )
    expect(following.files[0]!.error!.message).toContain("'no_such_function'")
  })

  it('refuses options that mean nothing', async () => {
    await expect(follow({ binary: '' })).rejects.toThrow('binary is not the name of a file')
    await expect(follow({ binary: 'x', linger: -1 })).rejects.toThrow('linger is not a number of seconds')
  })
})
