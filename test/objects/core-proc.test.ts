// CO-RE: one object reads the structures of every kernel, and finds the same as /proc.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { expect, it } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'
import { open } from '../helpers/objects.js'
import { useCgroup } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

const cgroup = useCgroup()
const conf = (name: string): bigint => BigInt(execFileSync('getconf', [name], { encoding: 'utf8' }).trim())

/** /proc/PID/stat; `field` counts from 1 as in proc(5). */
function statOf(pid: number): { comm: string; field(number: number): string } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const end = text.lastIndexOf(')')
  const rest = text.slice(end + 2).split(' ')
  return { comm: text.slice(text.indexOf('(') + 1, end), field: (number) => rest[number - 3] as string }
}

const namespaceOf = (pid: number, kind: string): number =>
  Number(readlinkSync(`/proc/${pid}/ns/${kind}`).match(/\d+/)?.[0])

it('a CO-RE program reads the same about another process as /proc', async () => {
  // The process has its own user and cgroup, so that no value can match by chance.
  const child = spawn('setpriv', ['--reuid=4321', '--clear-groups', 'sleep', '1000'], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const pid = child.pid as number
  try {
    writeFileSync(`${cgroup()}/cgroup.procs`, String(pid))
    await until('it sleeps', () => statOf(pid).comm === 'sleep' && statOf(pid).field(3) === 'S')
    using object = open('core-proc')
    object.rodata.wanted = pid
    object.loadSync()
    using link = object.program('look').attachIter()
    expect(await link.text()).toBe('')

    const { comm, field } = statOf(pid)
    const number = (index: number): bigint => BigInt(field(index))
    const { bss } = object
    expect({
      ...bss,
      start: ((bss.start_boottime as bigint) * conf('CLK_TCK')) / 1_000_000_000n,
    }).toMatchObject({
      seen: 1,
      comm,
      pid,
      tgid: pid,
      parent: process.pid,
      threads: 1,
      uid: 4321,
      // TASK_INTERRUPTIBLE
      state: 1,
      has_new_state: kernelIs('5.14'),
      start: number(22),
      total_vm: number(23) / conf('PAGESIZE'),
      start_code: number(26),
      end_code: number(27),
      start_brk: number(47),
      arg_start: number(48),
      arg_end: number(49),
      env_start: number(50),
      uts_ns: namespaceOf(pid, 'uts'),
      pid_ns: namespaceOf(pid, 'pid'),
      kernel_release: release(),
      cgroup: statSync(cgroup(), { bigint: true }).ino,
    })
  } finally {
    child.kill('SIGKILL')
    await ended
  }
})
