import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { type BpfObject, Btf, ids, Link } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { loadOnly } from '../attach/surroundings.js'
import { runChild } from '../helpers/child.js'
import { kernelIs, requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'
import { useBpffs, useCgroup, useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

const bpffs = useBpffs()
const cgroup = useCgroup()
useTracefs()

/** How often the raw tracepoint program runs while a program is executed. */
function executions(object: BpfObject): bigint {
  const before = object.bss.executions as bigint
  execFileSync('true')
  return (object.bss.executions as bigint) - before
}

describe('Link.info', () => {
  it('has the name of a raw tracepoint', () => {
    using object = load('links')
    const program = object.program('raw_tracepoint')
    using link = program.attach()
    const { id, ...info } = link.info()
    expect(info).toMatchObject({ type: 'raw_tracepoint', programId: program.id, name: 'sched_process_exec' })
    expect([...ids('link')]).toContain(id)
  })

  requiresFeature('trampolines', 'has the function that an fentry program traces', () => {
    using object = load('fentry')
    using link = object.program('entry').attach()
    using kernel = Btf.fromKernel()
    const targetBtfId = kernel.types.get('vfs_unlink', 'func').id
    const told = kernelIs('5.13') ? { targetBtfId } : {}
    expect(link.info()).toMatchObject({ type: 'tracing', attachType: 'trace_fentry', ...told })
  })

  requiresFeature('kprobes', 'reports a kprobe as a perf event', () => {
    using object = load('kprobe')
    using link = object.program('probe').attach()
    if (kernelIs('5.15')) expect(link.info()).toMatchObject({ type: 'perf_event' })
    expect(link.fd).toBeGreaterThan(2)
  })

  requiresKernel('5.15', 'reports a tracepoint as a perf event', () => {
    using object = load('links')
    using link = object.program('tracepoint').attach()
    expect(link.info()).toMatchObject({ type: 'perf_event', programId: object.program('tracepoint').id })
  })

  it('has the name of a BTF tracepoint', () => {
    using object = load('links')
    using link = object.program('tracing').attach()
    expect(link.info()).toMatchObject({ name: 'sched_process_exec', programId: object.program('tracing').id })
  })

  it('has what an iterator iterates over', () => {
    using object = load('links')
    using link = object.program('says_one').attach()
    expect(link.info()).toMatchObject({
      type: 'iter',
      name: 'bpf_map',
      programId: object.program('says_one').id,
    })
  })
})

describe('Link', () => {
  it('keeps the program attached until it is closed', async () => {
    using object = load('links')
    const link = object.program('raw_tracepoint').attach()
    const { id } = link.info()
    expect(executions(object)).toBeGreaterThan(0n)
    link.close()
    expect(link.closed).toBe(true)
    expect(executions(object)).toBe(0n)
    await until('the link is gone', () => ![...ids('link')].includes(id))
    link.close()
    expect(thrownBy(() => link.info())).toMatchObject({ code: 'ERR_BPF_CLOSED', program: 'raw_tracepoint' })
    expect(object.links.size).toBe(0)
  })

  it('has its program, its descriptor and its pin path', () => {
    using object = load('links')
    using link = object.program('tracing').attach()
    expect(link.program).toBe('tracing')
    expect(link.fd).toBeGreaterThan(2)
    expect(link.pinPath).toBeUndefined()
  })

  requiresKernel('5.9', 'stays attached if its type cannot be detached, and detach says so', () => {
    using object = load('links')
    using link = object.program('raw_tracepoint').attach()
    expect(thrownBy(() => link.detach())).toMatchObject({
      code: 'ENOTSUP',
      operation: 'bpf_link__detach',
      program: 'raw_tracepoint',
    })
    expect(executions(object)).toBeGreaterThan(0n)
  })
})

describe('Link.update', () => {
  it('replaces the program', () => {
    using object = load('links')
    using link = object.program('says_one').attach()
    link.pin(bpffs('iterator'))
    expect(readFileSync(bpffs('iterator'), 'utf8')).toBe('one')
    const { id } = link.info()
    link.update(object.program('says_two'))
    expect(link.info()).toMatchObject({ id, programId: object.program('says_two').id })
    expect(readFileSync(bpffs('iterator'), 'utf8')).toBe('two')
    link.unpin()
  })

  it('refuses a program of another type and keeps the old one', () => {
    using object = load('links')
    using link = object.program('says_one').attach()
    expect(thrownBy(() => link.update(object.program('raw_tracepoint')))).toMatchObject({ code: 'EINVAL' })
    expect(link.info().programId).toBe(object.program('says_one').id)
  })

  it('is not possible for raw tracepoints', () => {
    using object = load('links')
    using link = object.program('raw_tracepoint').attach()
    expect(thrownBy(() => link.update(object.program('raw_tracepoint')))).toMatchObject({
      code: 'EINVAL',
      operation: 'bpf_link__update_program',
    })
  })

  it('throws a TypeError for anything that is not a program', () => {
    using object = load('links')
    using link = object.program('says_one').attach()
    for (const wrong of [undefined, {}, 5, object, link]) {
      expect(thrownBy(() => link.update(wrong as never))).toBeInstanceOf(TypeError)
      expect(thrownBy(() => link.updateMap(wrong as never))).toBeInstanceOf(TypeError)
    }
    expect(thrownBy(() => link.updateMap(object.map('.bss')))).toMatchObject({ code: 'EINVAL' })
    expect(link.info().programId).toBe(object.program('says_one').id)
  })

  it('refuses a program that is not loaded', () => {
    using object = load('links')
    using other = open('links')
    using link = object.program('says_one').attach()
    expect(thrownBy(() => link.update(other.program('says_two')))).toBeInstanceOf(Error)
    expect(link.info().programId).toBe(object.program('says_one').id)
  })
})

describe('a pinned link', () => {
  it('outlives its object until it is unpinned and closed', async () => {
    const object = load('links')
    const link = object.program('says_one').attach()
    const { id } = link.info()
    link.pin(bpffs('link'))
    expect(link.pinPath).toBe(bpffs('link'))
    object.close()
    expect(link.closed).toBe(true)
    expect([...ids('link')]).toContain(id)
    const again = Link.open(bpffs('link'))
    expect(again.info().id).toBe(id)
    expect(again.pinPath).toBe(bpffs('link'))
    expect(again.program).toBeUndefined()
    again.unpin()
    expect(existsSync(bpffs('link'))).toBe(false)
    again.close()
    await until('the link is gone', () => ![...ids('link')].includes(id))
  })

  it('cannot be pinned twice, or outside of a BPF file system', () => {
    using object = load('links')
    using link = object.program('raw_tracepoint').attach()
    link.pin(bpffs('link'))
    expect(thrownBy(() => link.pin(bpffs('other')))).toMatchObject({ code: 'EBUSY' })
    link.unpin()
    expect(thrownBy(() => link.unpin())).toMatchObject({ code: 'EINVAL' })
    expect(() => link.pin('/tmp/link')).toThrow('is not on a BPF file system')
    expect(() => link.pin(bpffs('a.b'))).toThrow(
      "names on a BPF file system cannot have dots, and 'a.b' has one",
    )
  })
})

describe('Link.open', () => {
  it.each([
    ['a path that does not exist', 'nothing', 'ENOENT'],
    ['a pinned program', 'program', 'EINVAL'],
  ])('refuses %s', (_, name, code) => {
    using object = load('links')
    object.program('tracing').pin(bpffs('program'))
    expect(thrownBy(() => Link.open(bpffs(name)))).toMatchObject({ code, target: bpffs(name) })
    object.program('tracing').unpin(bpffs('program'))
  })
})

/** Runs in a child, because the descriptor of a disconnected link stays open. */
async function disconnectAndClose(program: string, pin = ''): Promise<{ id: number; executions: number }> {
  const { status, stdout, stderr } = await runChild(
    `import { execFileSync } from 'node:child_process'
     import { BpfObject } from 'libbpf-node'
     const [, path, program, pin] = process.argv
     const object = BpfObject.open(path)
     object.loadSync()
     const link = object.program(program).attach()
     const { id } = link.info()
     if (pin) link.pin(pin)
     link.disconnect()
     link.close()
     execFileSync('true')
     console.log(JSON.stringify({ id, executions: Number(object.bss.executions) }))`,
    [objectPath('links'), program, pin],
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout) as { id: number; executions: number }
}

describe('Link.disconnect', () => {
  it('leaves a raw tracepoint attached after close, until the process ends', async () => {
    const { id, executions } = await disconnectAndClose('raw_tracepoint')
    expect(executions).toBeGreaterThan(0)
    await until('the link is gone', () => ![...ids('link')].includes(id))
  })

  it('leaves a pinned link to its pin', async () => {
    const { id } = await disconnectAndClose('says_two', bpffs('kept'))
    expect(readFileSync(bpffs('kept'), 'utf8')).toBe('two')
    using link = Link.open(bpffs('kept'))
    expect(link.info().id).toBe(id)
    link.unpin()
  })
})

describe('a pinned link of a kernel function', () => {
  const runs = (object: BpfObject): bigint => (object.bss.seen as { runs: bigint }).runs

  requiresFeature(
    'kprobes',
    'can be opened for a kprobe, and keeps its program',
    () => {
      using object = loadOnly('attach-trace', ['on_kernel_call', 'on_kernel_call_again'])
      const link = object.program('on_kernel_call').attachKprobe('iterate_dir')
      link.pin(bpffs('kprobe'))
      link.close()
      const before = runs(object)
      readdirSync('/')
      expect(runs(object)).toBeGreaterThan(before)
      using pinned = Link.fromPin(bpffs('kprobe'))
      expect(pinned.info()).toMatchObject({
        type: 'perf_event',
        programId: object.program('on_kernel_call').id,
      })
      expect(() => pinned.update(object.program('on_kernel_call_again'))).toThrow(
        /the program of such a link cannot be replaced|such a link does not support that/,
      )
      expect(() => pinned.detach()).toThrow('such a link does not support that')
      pinned.unpin()
    },
    '5.15',
  )

  requiresFeature('trampolines', 'can be opened for fentry, and keeps its program', () => {
    using object = loadOnly('attach-kernel', ['by_fentry', 'on_entry'], (opened) => {
      opened.rodata.wanted = process.pid
    })
    const link = object.program('by_fentry').attachTracing()
    link.pin(bpffs('fentry'))
    link.close()
    readdirSync('/')
    expect(object.bss.runs).toBeGreaterThan(0n)
    using pinned = Link.fromPin(bpffs('fentry'))
    if (kernelIs('5.8')) expect(pinned.info()).toMatchObject({ type: 'tracing', attachType: 'trace_fentry' })
    expect(() => pinned.update(object.program('on_entry'))).toThrow(
      /the program of such a link cannot be replaced|such a link does not support that/,
    )
    expect(() => pinned.detach()).toThrow('such a link does not support that')
    pinned.unpin()
  })
})

describe('Link.fromId, fromFd and fromPin', () => {
  requiresKernel('5.8', 'open the same link', () => {
    using object = loadOnly('attach-net', ['cgroup_egress', 'cgroup_egress_second'])
    const link = object.program('cgroup_egress').attachCgroup(cgroup())
    const { id } = link.info()
    link.pin(bpffs('link'))
    expect(link.pinPath).toBe(bpffs('link'))
    using pinned = Link.fromPin(bpffs('link'))
    using byFd = Link.fromFd(pinned.fd)
    using byId = Link.fromId(id)
    for (const other of [pinned, byFd, byId]) expect(other.info()).toEqual(link.info())
    byId.update(object.program('cgroup_egress_second'))
    expect(link.info().programId).toBe(object.program('cgroup_egress_second').id)
    link.unpin()
    expect(link.pinPath).toBeUndefined()
    link.close()
    expect(byId.info().id).toBe(id)
  })

  it('refuse anything that is not a link', () => {
    using object = loadOnly('attach-trace', ['on_tracepoint'])
    expect(() => Link.fromFd(object.program('on_tracepoint').fd)).toThrow('it is not a link')
    const fd = openSync('/dev/null', 'r')
    expect(() => Link.fromFd(fd)).toThrow('it is not a link')
    closeSync(fd)
    expect(thrownBy(() => Link.fromFd(1_000_000))).toMatchObject({ code: 'EBADF' })
    expect(thrownBy(() => Link.fromId(2 ** 31))).toMatchObject({ code: 'ENOENT' })
    object.program('on_tracepoint').pin(bpffs('program'))
    expect(() => Link.fromPin(bpffs('program'))).toThrow('it is not a link')
    object.program('on_tracepoint').unpin(bpffs('program'))
  })

  it('refuse to pin outside of a BPF file system', () => {
    using object = loadOnly('attach-net', ['cgroup_egress'])
    using link = object.program('cgroup_egress').attachCgroup(cgroup())
    expect(() => link.pin('/tmp/libbpf-node-link')).toThrow(
      '/tmp/libbpf-node-link is not on a BPF file system',
    )
  })
})
