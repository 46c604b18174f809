import { execFileSync } from 'node:child_process'
import { type BpfObject, type Program, setLogger, VerifierError } from 'libbpf-node'
import { afterEach, describe, expect, it } from 'vitest'
import { load, open, thrownBy } from '../helpers/objects.js'

const packet = { data: new Uint8Array(64) }
const strictAlignment = 1

afterEach(() => setLogger(undefined))

/** Opens choosy.bpf.c with one program to load. */
function choose(name: string): [BpfObject, Program] {
  const object = open('choosy')
  const program = object.program(name)
  program.autoload = true
  return [object, program]
}

describe('setters of Program before load', () => {
  it('type determines the type that the kernel loads', () => {
    using object = open('choosy')
    const program = object.program('any_packet')
    program.autoload = true
    program.type = 'sched_cls'
    expect(program.type).toBe('sched_cls')
    object.loadSync()
    expect(program.info().type).toBe('sched_cls')
  })

  it('expectedAttachType determines what the program may access', () => {
    const [refused, first] = choose('reads_ip6')
    using _ = refused
    expect(first.expectedAttachType).toBe('cgroup_inet4_connect')
    expect(() => refused.loadSync()).toThrow(VerifierError)
    const [object, program] = choose('reads_ip6')
    using __ = object
    program.expectedAttachType = 'cgroup_inet6_connect'
    expect(program.expectedAttachType).toBe('cgroup_inet6_connect')
    object.loadSync()
    expect(program.loaded).toBe(true)
  })

  it('flags are passed to the verifier', () => {
    const [lenient, first] = choose('misaligned')
    using _ = lenient
    expect(first.flags).toBe(0)
    const [object, program] = choose('misaligned')
    using __ = object
    program.flags = strictAlignment
    expect(program.flags).toBe(strictAlignment)
    expect(() => object.loadSync()).toThrow(/misaligned packet access/)
    // Some architectures always require strict alignment.
    if (process.arch === 'x64') {
      lenient.loadSync()
      expect(first.loaded).toBe(true)
    }
  })

  it('autoload determines whether the program is loaded', () => {
    const [object, program] = choose('any_packet')
    using _ = object
    expect(program.autoload).toBe(true)
    object.loadSync()
    expect([...object.programs.values()].filter(({ loaded }) => loaded)).toEqual([program])
  })

  it('logLevel determines what the verifier logs about a program that loads', () => {
    const messages: string[] = []
    setLogger((_, message) => messages.push(message), 'debug')
    const [object, program] = choose('any_packet')
    using _ = object
    expect(program.logLevel).toBe(0)
    program.logLevel = 2
    expect(program.logLevel).toBe(2)
    object.loadSync()
    const log = messages.find((message) => message.includes('BEGIN PROG LOAD LOG'))
    expect(log).toContain("prog 'any_packet'")
    expect(log).toMatch(/processed \d+ insns/)
  })

  it('setIfindex sets the device, and load fails if it cannot offload programs', () => {
    const [object, program] = choose('any_packet')
    using _ = object
    program.type = 'xdp'
    program.setIfindex(1)
    expect(thrownBy(() => object.loadSync())).toMatchObject({ operation: 'bpf_object__load' })
  })

  it('setAttachTarget sets the target that SEC() does not name', () => {
    using object = open('programs')
    for (const program of object.programs.values()) program.autoload = program.name === 'somewhere'
    object.program('somewhere').setAttachTarget('sched_process_exec')
    object.loadSync()
    using link = object.program('somewhere').attach()
    expect(link.info()).toMatchObject({ type: 'raw_tracepoint', name: 'sched_process_exec' })
    const before = object.bss.executions as bigint
    execFileSync('true')
    expect(object.bss.executions).toBeGreaterThan(before)
  })

  it('setAttachTarget proposes a similar name for a hook that does not exist', () => {
    using object = open('programs')
    const error = thrownBy(() => object.program('somewhere').setAttachTarget('sched_process_exek'))
    expect(error).toMatchObject({ program: 'somewhere', target: 'sched_process_exek' })
    expect((error as Error).message).toContain("did you mean 'sched_process_exec'")
  })
})

describe('setters of Program after load', () => {
  it.each([
    ['type', 'xdp'],
    ['expectedAttachType', 'xdp'],
    ['flags', 0],
    ['logLevel', 1],
  ] as const)('throw because it is too late for %s', (name, value) => {
    using object = load('programs')
    const program = object.program('mark') as unknown as Record<string, unknown>
    const before = program[name]
    expect(
      thrownBy(() => {
        program[name] = value
      }),
    ).toMatchObject({ code: 'EBUSY', program: 'mark' })
    expect(program[name]).toEqual(before)
  })

  it.each([
    [
      'autoload',
      (program: Program) => {
        program.autoload = false
      },
    ],
    ['the attach target', (program: Program) => program.setAttachTarget('sched_process_exec')],
    ['the ifindex', (program: Program) => program.setIfindex(1)],
  ] as const)('throw because it is too late for %s', (_, set) => {
    using object = load('programs')
    const error = thrownBy(() => set(object.program('mark')))
    expect(error).toMatchObject({ code: 'EBUSY', program: 'mark' })
    expect((error as Error).message).toContain('do it between open and load')
  })

  it('still accept autoattach', () => {
    using object = load('programs')
    object.program('on_exec').autoattach = false
    expect(object.program('on_exec').autoattach).toBe(false)
    expect(object.attach()).toEqual([])
  })
})

describe('setters of Program with wrong values', () => {
  it.each([
    ['type', 'no_such_type', TypeError],
    ['expectedAttachType', 'no_such_hook', TypeError],
    ['type', 6, TypeError],
    ['flags', '1', TypeError],
    ['flags', 1.5, TypeError],
    ['flags', -1, RangeError],
    ['logLevel', '2', TypeError],
    ['logLevel', 2 ** 32, RangeError],
    ['autoload', 1, TypeError],
    ['autoattach', 'yes', TypeError],
  ])('throw for %s = %j', (name, value, error) => {
    using object = open('programs')
    const program = object.program('mark') as unknown as Record<string, unknown>
    const before = program[name]
    expect(() => {
      program[name] = value
    }).toThrow(error)
    expect(program[name]).toEqual(before)
  })

  it('list the existing types for an unknown one', () => {
    using object = open('programs')
    expect(() => {
      object.program('mark').type = 'sched_class' as 'sched_cls'
    }).toThrow(/program type 'sched_class' does not exist; libbpf knows .*sched_cls/)
    object.loadSync()
    expect(object.program('mark').testRunSync(packet).retval).toBe(7)
  })
})
