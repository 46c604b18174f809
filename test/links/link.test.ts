import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { type BpfObject, Btf, ids, Link } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { kernelIs, requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'
import { useBpffs, useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

const bpffs = useBpffs()
useTracefs()

/** How often the raw tracepoint program runs while a program is executed. */
function executions(object: BpfObject): bigint {
  const before = object.bss.executions as bigint
  execFileSync('true')
  return (object.bss.executions as bigint) - before
}

describe('info', () => {
  it('of a raw tracepoint is its name', () => {
    using object = load('links')
    const program = object.program('raw_tracepoint')
    using link = program.attach()
    const { id, ...info } = link.info()
    expect(info).toMatchObject({ type: 'raw_tracepoint', programId: program.id, name: 'sched_process_exec' })
    expect([...ids('link')]).toContain(id)
  })

  requiresFeature('trampolines', 'of an fentry program is what it traces', () => {
    using object = load('fentry')
    using link = object.program('entry').attach()
    using kernel = Btf.fromKernel()
    const targetBtfId = kernel.types.get('vfs_unlink', 'func').id
    const told = kernelIs('5.13') ? { targetBtfId } : {}
    expect(link.info()).toMatchObject({ type: 'tracing', attachType: 'trace_fentry', ...told })
  })

  requiresFeature('kprobes', 'of a kprobe is a perf event', () => {
    using object = load('kprobe')
    using link = object.program('probe').attach()
    if (kernelIs('5.15')) expect(link.info()).toMatchObject({ type: 'perf_event' })
    expect(link.fd).toBeGreaterThan(2)
  })

  requiresKernel('5.15', 'of a tracepoint is a perf event', () => {
    using object = load('links')
    using link = object.program('tracepoint').attach()
    expect(link.info()).toMatchObject({ type: 'perf_event', programId: object.program('tracepoint').id })
  })

  it('of a BTF tracepoint is its name, too', () => {
    using object = load('links')
    using link = object.program('tracing').attach()
    expect(link.info()).toMatchObject({ name: 'sched_process_exec', programId: object.program('tracing').id })
  })

  it('of an iterator is what it goes over', () => {
    using object = load('links')
    using link = object.program('says_one').attach()
    expect(link.info()).toMatchObject({
      type: 'iter',
      name: 'bpf_map',
      programId: object.program('says_one').id,
    })
  })
})

describe('a link', () => {
  it('holds until it is closed', async () => {
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

  it('knows its program, its descriptor, and that it is not pinned', () => {
    using object = load('links')
    using link = object.program('tracing').attach()
    expect(link.program).toBe('tracing')
    expect(link.fd).toBeGreaterThan(2)
    expect(link.pinPath).toBeUndefined()
  })

  requiresKernel('5.9', 'of a kind that cannot be detached says so, and holds', () => {
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

describe('update', () => {
  it('puts another program in the place of the first', () => {
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

  it('refuses a program of another type, and keeps the first', () => {
    using object = load('links')
    using link = object.program('says_one').attach()
    expect(thrownBy(() => link.update(object.program('raw_tracepoint')))).toMatchObject({ code: 'EINVAL' })
    expect(link.info().programId).toBe(object.program('says_one').id)
  })

  it('is refused by raw tracepoints', () => {
    using object = load('links')
    using link = object.program('raw_tracepoint').attach()
    expect(thrownBy(() => link.update(object.program('raw_tracepoint')))).toMatchObject({
      code: 'EINVAL',
      operation: 'bpf_link__update_program',
    })
  })

  it('takes a program, and nothing else', () => {
    using object = load('links')
    using link = object.program('says_one').attach()
    for (const wrong of [undefined, {}, 5, object, link]) {
      expect(thrownBy(() => link.update(wrong as never))).toBeInstanceOf(TypeError)
      expect(thrownBy(() => link.updateMap(wrong as never))).toBeInstanceOf(TypeError)
    }
    expect(thrownBy(() => link.updateMap(object.map('.bss')))).toMatchObject({ code: 'EINVAL' })
    expect(link.info().programId).toBe(object.program('says_one').id)
  })

  it('takes a loaded program', () => {
    using object = load('links')
    using other = open('links')
    using link = object.program('says_one').attach()
    expect(thrownBy(() => link.update(other.program('says_two')))).toBeInstanceOf(Error)
    expect(link.info().programId).toBe(object.program('says_one').id)
  })
})

describe('a pinned link', () => {
  it('outlives its object, is opened again, and ends when it is unpinned and closed', async () => {
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

  it('is not pinned twice, and not where there is no BPF file system', () => {
    using object = load('links')
    using link = object.program('raw_tracepoint').attach()
    link.pin(bpffs('link'))
    expect(thrownBy(() => link.pin(bpffs('other')))).toMatchObject({ code: 'EBUSY' })
    link.unpin()
    expect(thrownBy(() => link.unpin())).toMatchObject({ code: 'EINVAL' })
    expect(() => link.pin('/tmp/link')).toThrow('is not on a BPF file system')
  })
})

describe('Link.open', () => {
  it.each([
    ['what is not there', 'nothing', 'ENOENT'],
    ['what is no link', 'program', 'EINVAL'],
  ])('refuses %s', (_, name, code) => {
    using object = load('links')
    object.program('tracing').pin(bpffs('program'))
    expect(thrownBy(() => Link.open(bpffs(name)))).toMatchObject({ code, target: bpffs(name) })
    object.program('tracing').unpin(bpffs('program'))
  })
})

/** In a child, because the descriptor of a disconnected link stays open. */
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

describe('disconnect', () => {
  it('leaves a raw tracepoint attached when the link is closed, until the process ends', async () => {
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
