import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { queryXdp } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { ip } from '../attach/surroundings.js'
import { requiresFeature } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { countingBytes, PASS, runs } from './counting.js'
import { runInOrder, useDispatchers } from './dispatchers.js'

const dispatchers = useDispatchers({})
const { pair, bpffs, make, counting, pins, send } = dispatchers

/** Other kernels call programs by tail calls, see tail-calls.test.ts. */
const requiresFreplace = (title: string, test: () => Promise<void>, since = '5.10') =>
  requiresFeature('trampolines', title, test, since)

describe('XdpDispatcher', () => {
  requiresFreplace('runs programs in the order of their priorities, and removes them', () =>
    runInOrder(dispatchers, { version: 3 }, () => {
      expect(pins()).toEqual([expect.stringMatching(/^dispatch-\d+-\d+$/)])
      expect(readdirSync(bpffs(`xdp/${pins()[0]}`)).sort()).toEqual([
        'prog0-link',
        'prog0-prog',
        'prog1-link',
        'prog1-prog',
      ])
    }),
  )

  requiresFreplace('keeps the programs when their objects are closed', async () => {
    const { object, program } = counting(PASS)
    const dispatcher = make({ mode: 'generic' })
    const id = await dispatcher.attach(program)
    object.close()
    expect(dispatcher.state()).toMatchObject({ mode: 'generic', programs: [{ id }] })
    await dispatcher.detach(id)
  })

  requiresFreplace(
    'lets large packets through while all programs are for them',
    async () => {
      const dispatcher = make()
      for (const name of [pair.a, pair.b]) ip('link', 'set', name, 'mtu', '9000')
      try {
        const id = await dispatcher.attach(counting(PASS, 'xdp.frags').program)
        // A dispatcher with a program that is not for them is refused, and the other one stays.
        await expect(dispatcher.attach(counting(PASS).program)).rejects.toThrow(/\(native\)/)
        expect(dispatcher.state()!.programs.map((program) => program.id)).toEqual([id])
        expect(pins().length).toBe(1)
        await dispatcher.detach(id)
      } finally {
        for (const name of [pair.a, pair.b]) ip('link', 'set', name, 'mtu', '1500')
      }
    },
    '5.18',
  )

  requiresFreplace('leaves what is attached without a dispatcher alone', async () => {
    const plain = counting(PASS)
    plain.object.loadSync()
    using _link = plain.program.attachXdp(pair.b)
    expect(make().state()).toBeUndefined()
    expect(await make().detach(plain.program.id)).toBe(false)
    await expect(make().attach(counting(PASS).program)).rejects.toMatchObject({
      code: 'EBUSY',
      message: expect.stringContaining("('count') is attached without a dispatcher; detach it first"),
    })
    expect(pins()).toEqual([])
  })

  requiresFreplace('goes on after a process was killed between pinning and attaching', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    const file = join(folder, 'count.o')
    writeFileSync(file, countingBytes(PASS))
    const kill = () => {
      const child = [join(import.meta.dirname, 'killed.mjs'), pair.b, bpffs(), file]
      expect(spawnSync(process.execPath, child, { stdio: 'inherit' }).signal).toBe('SIGKILL')
    }
    const dispatcher = make()
    try {
      kill()
      expect(dispatcher.state()).toBeUndefined()
      expect(queryXdp(pair.b).programId).toBe(0)
      const [stale] = pins()
      const { object, program } = counting(PASS)
      const id = await dispatcher.attach(program)
      const { programId } = dispatcher.state()!
      kill()
      // The dispatcher is the same as before, and packets still come to its program.
      expect(dispatcher.state()).toMatchObject({ programId, programs: [{ id }] })
      const before = runs(object)
      await send()
      await until('the program runs', () => runs(object) > before)
      expect(pins().length).toBe(3)
      const removed = await dispatcher.clean()
      expect(removed).toContain(stale)
      expect(removed.length).toBe(2)
      await dispatcher.detach(id)
      expect(pins()).toEqual([])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  requiresFreplace('can be changed by several processes at once', async () => {
    const dispatchers = [make(), make(), make()]
    const ids = await Promise.all(
      dispatchers.map((dispatcher, i) => dispatcher.attach(counting(PASS).program, { priority: 50 + i })),
    )
    expect(dispatchers[0]!.state()!.programs.map(({ id }) => id)).toEqual(ids)
    await Promise.all(ids.map((id, i) => dispatchers[(i + 1) % 3]!.detach(id)))
    expect(dispatchers[0]!.state()).toBeUndefined()
    expect(pins()).toEqual([])
  })

  requiresFreplace('runs up to ten programs', async () => {
    const dispatcher = make()
    const ids: number[] = []
    for (let i = 0; i < 10; i++) ids.push(await dispatcher.attach(counting(PASS).program))
    expect(
      dispatcher
        .state()!
        .programs.map(({ id }) => id)
        .sort(),
    ).toEqual(ids.toSorted())
    const eleventh = counting(PASS)
    await expect(dispatcher.attach(eleventh.program)).rejects.toMatchObject({ code: 'E2BIG' })
    expect(eleventh.object.loaded).toBe(false)
    expect(dispatcher.state()!.programs.length).toBe(10)
  })

  it('says what is wrong', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    expect(() => make({ bpffs: folder })).toThrow(`${folder} is not a BPF file system`)
    expect(() => make({ bpffs: `${folder}/none` })).toThrow(`${folder}/none is not a BPF file system`)
    rmdirSync(folder)
    expect(() => make({ version: 4 as 3 })).toThrow('version is not 2 or 3')
    expect(() => make({ mode: 'fast' as 'native' })).toThrow(TypeError)
    const { object, program } = counting(PASS)
    await expect(make().attach(program, { priority: -1 })).rejects.toThrow(RangeError)
    await expect(make().attach(program, { chain: ['x' as 'pass'] })).rejects.toThrow(
      "action 'x' does not exist",
    )
    await expect(make().attach(program, { chain: 'pass' as never })).rejects.toThrow('chain is not an array')
    await expect(make().attach(counting(PASS, 'tc').program)).rejects.toThrow(
      "program 'count' is of the type sched_cls, not xdp",
    )
    object.loadSync()
    await expect(make().attach(program)).rejects.toMatchObject({ code: 'ERR_BPF_STATE' })
    expect(existsSync(bpffs('xdp'))).toBe(false)
  })
})

/** xdp-loader with libraries of its own, as scripts/kernels fetches it for guests. */
const tools = process.env.XDP_TOOLS
/** Debian's releases, and the version of the protocol that their libxdp speaks. */
const releases = { bookworm: 2, sid: 3 } as const

describe('XdpDispatcher with xdp-loader', () => {
  for (const [release, version] of Object.entries(releases)) {
    const title = `shares the interface with that of Debian ${release}, whoever comes first`
    if (tools === undefined) {
      it.skip(`${title} (xdp-loader is not installed)`)
      continue
    }
    requiresFreplace(title, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
      const file = join(folder, 'theirs.o')
      writeFileSync(file, countingBytes(PASS))
      const loader = (...args: string[]) =>
        execFileSync(join(tools, release, 'xdp-loader'), args, {
          encoding: 'utf8',
          env: { ...process.env, LIBXDP_BPFFS: bpffs() },
          stdio: ['ignore', 'pipe', 'pipe'],
        })
      const dispatcher = make({ version })
      const programs = () => dispatcher.state()?.programs.map(({ id }) => id)
      const load = () => loader('load', '-m', 'native', '-s', 'xdp', pair.b, file)
      try {
        for (const theirsFirst of [true, false]) {
          const ours = counting(PASS)
          if (theirsFirst) load()
          const id = await dispatcher.attach(ours.program, { priority: 20, chain: ['pass', 'drop'] })
          if (!theirsFirst) load()
          expect(dispatcher.state()!.version).toBe(version)
          const [first, second] = programs()!
          expect(first).toBe(id)
          const status = loader('status', pair.b)
          expect(status).toContain('xdp_dispatcher')
          expect(status).toMatch(new RegExp(`=> +20 +count +${id} .*XDP_DROP,XDP_PASS`))
          expect(status).toMatch(new RegExp(`=> +50 +count +${second} .*XDP_PASS`))
          const before = runs(ours.object)
          await send()
          await until('ours runs', () => runs(ours.object) > before)
          if (theirsFirst) {
            // Theirs takes ours away, and leaves the other one.
            loader('unload', pair.b, '-i', String(id))
            expect(programs()).toEqual([second])
            await dispatcher.detach(second!)
          } else {
            await dispatcher.detach(id)
            expect(programs()).toEqual([second])
            loader('unload', pair.b, '-a')
          }
          expect(programs()).toBeUndefined()
          expect(pins()).toEqual([])
        }
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  }
})
