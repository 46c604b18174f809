import { execFileSync } from 'node:child_process'
import { uptime } from 'node:os'
import { BpfError, ids } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'

describe('Program', () => {
  it('has the type and attach type that SEC() says', () => {
    using object = open('programs')
    expect(
      [...object.programs.values()].map(({ name, section, type, expectedAttachType, autoload }) => ({
        name,
        section,
        type,
        expectedAttachType,
        autoload,
      })),
    ).toEqual(
      [
        ['on_exec', 'raw_tp/sched_process_exec', 'raw_tracepoint', 'cgroup_inet_ingress', true],
        ['on_exit', '?raw_tp/sched_process_exit', 'raw_tracepoint', 'cgroup_inet_ingress', false],
        ['on_my_exec', '?tp_btf/sched_process_exec', 'tracing', 'trace_raw_tp', false],
        ['which_cpu', '?raw_tp/sched_process_exec', 'raw_tracepoint', 'cgroup_inet_ingress', false],
        ['nowhere', '?raw_tp', 'raw_tracepoint', 'cgroup_inet_ingress', false],
        ['somewhere', '?tp_btf', 'tracing', 'trace_raw_tp', false],
        ['add', '?syscall', 'syscall', 'cgroup_inet_ingress', false],
        ['swap_macs', 'xdp', 'xdp', 'xdp', true],
        ['grow', 'xdp', 'xdp', 'xdp', true],
        ['mark', 'tc', 'sched_cls', 'cgroup_inet_ingress', true],
        ['length', 'socket', 'socket_filter', 'cgroup_inet_ingress', true],
      ].map(([name, section, type, expectedAttachType, autoload]) => ({
        name,
        section: String(section).replace('?', ''),
        type,
        expectedAttachType,
        autoload,
      })),
    )
  })

  it('has its instructions, 8 bytes each, before and after load', () => {
    using object = open('programs')
    const program = object.program('length')
    expect(program.instructions.length).toBe(8 * program.instructionCount)
    // r0 = *(u32 *)(r1 + 0); exit
    expect([...program.instructions]).toEqual([0x61, 0x10, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0])
    object.loadSync()
    expect(program.instructionCount).toBe(2)
  })

  it('is in the kernel after load with the same properties', () => {
    using object = load('programs')
    const program = object.program('mark')
    expect(program.loaded).toBe(true)
    expect(program.fd).toBeGreaterThan(2)
    expect([...ids('program')]).toContain(program.id)
    const info = program.info()
    expect(info).toMatchObject({
      type: 'sched_cls',
      id: program.id,
      name: 'mark',
      // libbpf binds .rodata to every program.
      mapIds: expect.arrayContaining([object.map('.bss').id, object.map('.rodata').id]),
      createdByUid: 0,
      ifindex: 0,
      gplCompatible: true,
      runCount: 0n,
    })
    expect(info.tag).toMatch(/^[0-9a-f]{16}$/)
    expect(info.xlatedSize).toBeGreaterThan(0)
    expect(info.xlatedSize % 8).toBe(0)
    expect(info.btfId).toBeGreaterThan(0)
    expect(info.loadTime).toBeGreaterThan(0n)
    expect(info.loadTime).toBeLessThan(BigInt(Math.ceil(uptime()) + 1) * 1_000_000_000n)
  })

  requiresKernel('5.16', 'has the number of instructions that the verifier processed', () => {
    using object = load('programs')
    expect(object.program('length').info().verifiedInstructions).toBe(2)
  })

  it('has the same tag in another object with the same instructions', () => {
    using one = load('programs')
    using two = load('programs')
    expect(one.program('length').info().tag).toBe(two.program('length').info().tag)
    expect(one.program('length').id).not.toBe(two.program('length').id)
    expect(one.program('length').info().tag).not.toBe(one.program('mark').info().tag)
  })

  it('is removed from the kernel by unload, but its object is not', () => {
    using object = load('programs')
    const program = object.program('mark')
    const { id } = program
    program.unload()
    expect(program.loaded).toBe(false)
    expect(() => program.fd).toThrow("program 'mark' is not in the kernel")
    expect(object.program('length').loaded).toBe(true)
    expect(program.name).toBe('mark')
    expect(id).toBeGreaterThan(0)
  })
})

describe('Program.attach', () => {
  it('runs the program at each event of its hook', () => {
    using object = load('programs')
    using link = object.program('on_exec').attach()
    expect(link.program).toBe('on_exec')
    const before = object.bss.executions as bigint
    execFileSync('true')
    expect(object.bss.executions).toBeGreaterThan(before)
  })

  it('runs a BTF tracepoint program that reads task_struct to find our children', () => {
    using object = open('programs')
    object.rodata.parent = process.pid
    object.program('on_exec').autoload = false
    object.program('on_my_exec').autoload = true
    object.loadSync()
    object.attach()
    expect(object.bss.executions).toBe(0n)
    for (let i = 0; i < 3; i++) execFileSync('true')
    expect(object.bss.executions).toBe(3n)
  })

  it('throws if SEC() names no hook', () => {
    using object = open('programs')
    object.program('nowhere').autoload = true
    object.loadSync()
    for (const name of ['nowhere', 'swap_macs', 'mark']) {
      const program = object.program(name)
      expect(program.tryAttach()).toBeUndefined()
      const error = thrownBy(() => program.attach())
      expect(error).toBeInstanceOf(BpfError)
      expect(error).toMatchObject({ code: 'ENOTSUP', program: name, operation: 'bpf_program__attach' })
      expect((error as Error).message).toContain(`SEC("${program.section}") does not name a target`)
    }
  })

  requiresKernel('6.10', 'attaches a program twice when it is called twice', () => {
    using object = load('programs')
    using one = object.program('on_exec').attach()
    using two = object.program('on_exec').attach()
    expect(one.info().id).not.toBe(two.info().id)
    const before = object.bss.executions as bigint
    execFileSync('true')
    expect((object.bss.executions as bigint) - before).toBeGreaterThanOrEqual(2n)
  })
})
