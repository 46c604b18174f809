// doctor, features and trace on a kernel that is locked down: first to integrity, then to confidentiality. Only a
// reboot ends that.
import { writeFileSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { libbpfNode } from '../codegen/helper.js'
import { requiresFeature } from '../helpers/kernel.js'
import { objectPath } from '../helpers/objects.js'

interface Finding {
  check: string
  state: 'ok' | 'note' | 'problem'
  says: string
}

interface Report {
  ok: boolean
  checks: Finding[]
  object?: { findings: Finding[] }
}

async function doctor(...args: string[]): Promise<Report & { status: number }> {
  const { status, stdout, stderr } = await libbpfNode(['doctor', '--json', ...args])
  expect(stderr).toBe('')
  return { ...(JSON.parse(stdout) as Report), status }
}

const find = (findings: Finding[] | undefined, check: string): Finding | undefined =>
  findings?.find((one) => one.check === check)

const lockDown = (mode: string): void => writeFileSync('/sys/kernel/security/lockdown', mode)

describe('libbpf-node doctor', () => {
  requiresFeature('lockdown', 'reports that the kernel is not locked down', async () => {
    const { status, checks } = await doctor()
    expect([status, find(checks, 'lockdown')]).toEqual([0, { check: 'lockdown', state: 'ok', says: 'none' }])
  })

  requiresFeature(
    'lockdown',
    'reports the mode integrity as a note, because almost all of BPF works',
    async () => {
      lockDown('integrity')
      const { status, checks, object } = await doctor(objectPath('exec'))
      expect(find(checks, 'lockdown')).toEqual({
        check: 'lockdown',
        state: 'note',
        says: 'integrity: bpf_probe_write_user is refused, everything else works',
      })
      expect(find(checks, 'kprobes')?.state).toBe('ok')
      expect([status, find(object?.findings, 'load')?.state]).toEqual([0, 'ok'])
      const { stdout } = await libbpfNode(['features', 'helpers', '--json'])
      const { kprobe } = (JSON.parse(stdout) as { helpers: Record<string, string[]> }).helpers
      expect(kprobe).toContain('probe_read_kernel')
      expect(kprobe).not.toContain('probe_write_user')
    },
  )

  requiresFeature(
    'lockdown',
    'reports the mode confidentiality as a problem and exits with status 1',
    async () => {
      lockDown('confidentiality')
      const { status, ok, checks } = await doctor()
      expect([status, ok]).toEqual([1, false])
      expect(find(checks, 'lockdown')).toMatchObject({
        state: 'problem',
        says: 'confidentiality: kprobes and bpf_probe_read_kernel (BPF_CORE_READ) are refused',
        fix: expect.stringContaining('boot with lockdown=integrity'),
      })
      expect(find(checks, 'kprobes')).toMatchObject({
        state: 'note',
        says: 'no: the kernel is locked down',
      })
      expect(find(checks, 'fentry')?.state).toBe('ok')
      expect(checks.filter(({ state }) => state === 'problem')).toHaveLength(1)
    },
  )
})

describe('libbpf-node doctor OBJECT on a kernel locked down to confidentiality', () => {
  requiresFeature('lockdown', 'says why an object may not read kernel memory', async () => {
    const { status, object } = await doctor(objectPath('exec'))
    expect(status).toBe(1)
    expect(find(object?.findings, 'program on_exec')).toMatchObject({
      state: 'problem',
      says: 'it calls bpf_probe_read_kernel, which the kernel refuses because it is locked down: confidentiality',
    })
    expect(find(object?.findings, 'load on_exec')).toMatchObject({
      state: 'problem',
      says: expect.stringContaining('(the kernel is locked down: confidentiality)'),
    })
  })

  requiresFeature('lockdown', 'says that a kprobe cannot be attached', async () => {
    const { status, object } = await doctor(objectPath('kprobe'))
    expect(status).toBe(1)
    expect(find(object?.findings, 'program probe')).toMatchObject({
      state: 'problem',
      says: 'the kernel is locked down and refuses kprobes',
    })
  })

  requiresFeature('lockdown', 'loads an object that reads kernel memory through typed pointers', async () => {
    const { status, object } = await doctor(objectPath('fentry'))
    expect([status, find(object?.findings, 'load')?.state]).toEqual([0, 'ok'])
  })
})

describe('libbpf-node tracelog on a kernel locked down to confidentiality', () => {
  requiresFeature('lockdown', 'says why the pipe cannot be read', async () => {
    const { status, stderr } = await libbpfNode(['tracelog'])
    expect([status, stderr]).toEqual([
      1,
      'libbpf-node tracelog: read the trace pipe: the kernel is locked down (EPERM)\n',
    ])
  })
})
