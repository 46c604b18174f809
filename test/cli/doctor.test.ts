// doctor on this machine, and in environments that are broken on purpose.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { features } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { cli, libbpfNode, type Outcome } from '../codegen/helper.js'
import { asNobody, copyForEveryone } from '../helpers/child.js'
import { requiresFeature } from '../helpers/kernel.js'
import { objectPath } from '../helpers/objects.js'
import { withoutPerfEvents } from '../helpers/privileged.js'

interface Finding {
  check: string
  state: 'ok' | 'note' | 'problem'
  says: string
  fix?: string
}

interface Report {
  ok: boolean
  checks: Finding[]
  object?: { findings: Finding[]; capabilities: string[] }
}

function run(command: string, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      stdout += piece
    })
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      stderr += piece
    })
    child.on('error', reject)
    child.on('close', (status) => resolve({ status: status ?? -1, stdout, stderr }))
  })
}

async function doctor(args: string[] = [], expected = 0): Promise<Report> {
  const { status, stdout, stderr } = await libbpfNode(['doctor', '--json', ...args])
  expect([status, stderr]).toEqual([expected, ''])
  return JSON.parse(stdout) as Report
}

const tracing = '/sys/kernel/tracing'
const mountTracefs = `{ mountpoint -q ${tracing} || mount -t tracefs tracefs ${tracing}; }`

/** Runs doctor in a mount namespace of its own, after a shell command. */
async function inNamespace(before: string, args: string[] = []): Promise<Report & { status: number }> {
  const script = `${before} && exec "$@"`
  const { status, stdout, stderr } = await run(
    'unshare',
    '--mount',
    'sh',
    '-c',
    script,
    'sh',
    process.execPath,
    cli,
    'doctor',
    '--json',
    ...args,
  )
  expect(stderr).toBe('')
  return { ...(JSON.parse(stdout) as Report), status }
}

const find = (findings: Finding[], check: string): Finding | undefined =>
  findings.find((one) => one.check === check)

describe('libbpf-node doctor', () => {
  it('finds this machine ready and prints lines of at most 80 columns', async () => {
    const { status, stdout, stderr } = await libbpfNode(['doctor'])
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^ok {7}BTF +the kernel has its types: CO-RE works$/m)
    expect(stdout).toMatch(/\nThis machine is ready for BPF\.\n$/)
    expect(stdout).not.toContain('\x1b')
    expect(Math.max(...stdout.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(80)
  })

  it('reports on every subject', async () => {
    const { ok, checks } = await doctor()
    expect(ok).toBe(true)
    expect(checks.map(({ check }) => check)).toEqual(
      expect.arrayContaining([
        'kernel',
        'privileges',
        'bpf()',
        'BTF',
        'JIT',
        'lockdown',
        'unprivileged bpf',
        'ring buffer',
        'kprobes',
        'fentry',
        'LSM programs',
        'tracefs',
        'bpffs',
        'cgroup2',
      ]),
    )
    expect(find(checks, 'kernel')?.says).toContain(readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim())
    for (const { says } of checks) expect(says).not.toBe('')
    expect(find(checks, 'fentry')?.state).toBe(
      features.attachType('trace_fentry').answer === 'yes' ? 'ok' : 'note',
    )
  })

  it('names the missing capabilities and exits with status 1 if there are no privileges', async () => {
    using copy = copyForEveryone()
    const { status, stdout, stderr } = await run(
      ...asNobody(),
      process.execPath,
      `${copy.path}/dist/lib/cli/main.js`,
      'doctor',
      '--json',
    )
    expect([status, stderr]).toEqual([1, ''])
    const { ok, checks } = JSON.parse(stdout) as Report
    expect(ok).toBe(false)
    expect(find(checks, 'privileges')).toMatchObject({
      state: 'problem',
      says: 'this process lacks CAP_BPF (any program or map), CAP_PERFMON (tracing), CAP_NET_ADMIN (networking)',
      fix: expect.stringContaining('run it as root'),
    })
    expect(find(checks, 'fentry')).toMatchObject({
      state: 'note',
      says: expect.stringContaining('unknown: '),
    })
  })

  it('says that perf events require CAP_SYS_ADMIN if kernel.perf_event_paranoid is 3', () =>
    withoutPerfEvents(async () => {
      using copy = copyForEveryone()
      const { stdout } = await run(
        ...asNobody('CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'),
        process.execPath,
        `${copy.path}/dist/lib/cli/main.js`,
        'doctor',
        '--json',
      )
      const { checks } = JSON.parse(stdout) as Report
      expect(find(checks, 'privileges')?.state).toBe('ok')
      expect(find(checks, 'perf events')).toMatchObject({
        state: 'note',
        says: expect.stringMatching(/^kernel.perf_event_paranoid is 3: .* require CAP_SYS_ADMIN$/),
      })
    }))

  it('exits with status 1 if the kernel has no BTF', async () => {
    const { status, checks } = await inNamespace('mount -t tmpfs none /sys/kernel/btf')
    expect(status).toBe(1)
    expect(find(checks, 'BTF')).toMatchObject({
      state: 'problem',
      says: expect.stringContaining('the kernel does not expose its types'),
      fix: expect.stringContaining('CONFIG_DEBUG_INFO_BTF=y'),
    })
    expect(find(checks, 'fentry')?.state).toBe('note')
  })

  it('suggests the mount commands for file systems that are not mounted', async () => {
    const { checks } = await inNamespace(
      'for path in $(awk \'$3 == "tracefs" || $3 == "bpf" || $3 == "debugfs" { print $2 }\' /proc/mounts | sort -r); do umount -l $path; done',
    )
    expect(find(checks, 'tracefs')).toMatchObject({
      state: 'note',
      fix: 'mount -t tracefs tracefs /sys/kernel/tracing',
    })
    expect(find(checks, 'bpffs')).toMatchObject({ state: 'note', fix: 'mount -t bpf bpf /sys/fs/bpf' })
  })

  it('reports where tracefs is mounted', async () => {
    const { checks } = await inNamespace(mountTracefs)
    expect(find(checks, 'tracefs')).toEqual({
      check: 'tracefs',
      state: 'ok',
      says: 'mounted at /sys/kernel/tracing',
    })
  })

  it('reports lockdown, and a problem for confidentiality', async () => {
    const fake = (mode: string) =>
      `mount -t tmpfs none /sys/kernel/security && echo '${mode}' > /sys/kernel/security/lockdown && echo capability,bpf > /sys/kernel/security/lsm`
    const locked = await inNamespace(fake('none integrity [confidentiality]'))
    expect(find(locked.checks, 'lockdown')).toMatchObject({
      state: 'problem',
      says: expect.stringContaining('bpf_probe_read_kernel (BPF_CORE_READ) are refused'),
    })
    expect(locked.status).toBe(1)
    const free = await inNamespace(fake('[none] integrity confidentiality'))
    expect(find(free.checks, 'lockdown')).toEqual({ check: 'lockdown', state: 'ok', says: 'none' })
  })
})

describe('libbpf-node doctor OBJECT', () => {
  it('lists the capabilities of an object that loads', async () => {
    const { ok, object } = await doctor([objectPath('exec')])
    expect(ok).toBe(true)
    expect(object!.capabilities).toEqual(['CAP_BPF', 'CAP_PERFMON'])
    expect(find(object!.findings, 'load')).toEqual({ check: 'load', state: 'ok', says: 'its program loads' })
  })

  it('names the source line that the verifier rejects', async () => {
    const { status, stdout } = await libbpfNode(['doctor', objectPath('bad-pointer')])
    expect(status).toBe(1)
    // Kernels before 6.10 report the text of the line without its number.
    expect(stdout.replace(/\s+/g, ' ')).toMatch(
      /R0 invalid mem access 'map_value_or_null', at (bad-pointer\.bpf\.c:\d|'return \*value;')/,
    )
  })

  it('reports a struct that this kernel does not have', async () => {
    const { object } = await doctor([objectPath('bad-core')], 1)
    expect(
      object!.findings
        .filter(({ state }) => state === 'problem')
        .map(({ says }) => says)
        .join(),
    ).toMatch(/needs .*which this kernel does not have/)
  })

  it('reports a kernel function that does not exist', async () => {
    const { object } = await doctor([objectPath('bad-function')], 1)
    expect(
      object!.findings
        .filter(({ state }) => state === 'problem')
        .map(({ says }) => says)
        .join(),
    ).toMatch(/no (such )?kernel function/)
  })

  it('reports that tracepoints require tracefs', async () => {
    const unmount =
      'for path in $(awk \'$3 == "tracefs" || $3 == "debugfs" { print $2 }\' /proc/mounts | sort -r); do umount -l $path; done'
    const without = await inNamespace(unmount, [objectPath('links')])
    expect(find(without.object!.findings, 'program tracepoint')).toMatchObject({
      state: 'problem',
      says: expect.stringContaining('tracefs, which is not mounted'),
      fix: 'mount -t tracefs tracefs /sys/kernel/tracing',
    })
    expect(without.status).toBe(1)
    const mounted = await inNamespace(mountTracefs, [objectPath('links')])
    expect(find(mounted.object!.findings, 'program tracepoint')).toBeUndefined()
  })

  requiresFeature('hardening', 'says that a hardened kernel forbids fentry programs', async () => {
    const { object } = await doctor([objectPath('fentry')], 1)
    expect(object!.findings.at(-1)).toMatchObject({
      state: 'problem',
      says: expect.stringContaining('this kernel forbids it'),
    })
  })

  it('names the missing capabilities and does not try to load if there are no privileges', async () => {
    using copy = copyForEveryone()
    const path = objectPath('exec')
    const { status, stdout } = await run(
      'setpriv',
      '--bounding-set=-all',
      '--inh-caps=-all',
      process.execPath,
      `${copy.path}/dist/lib/cli/main.js`,
      'doctor',
      '--json',
      path,
    )
    expect(status).toBe(1)
    const { object } = JSON.parse(stdout) as Report
    expect(find(object!.findings, 'capabilities')).toMatchObject({
      state: 'problem',
      says: 'it needs CAP_BPF, CAP_PERFMON; this process lacks CAP_BPF, CAP_PERFMON',
    })
    expect(find(object!.findings, 'load')).toMatchObject({
      state: 'note',
      says: expect.stringContaining('cannot be tried'),
    })
  })

  it('reports that the file does not exist', async () => {
    const { object } = await doctor(['/no/such.bpf.o'], 1)
    expect(object!.findings).toEqual([
      { check: 'object', state: 'problem', says: expect.stringContaining('the file does not exist') },
    ])
  })
})

describe('doctor OBJECT --budget', () => {
  it('shows the work of the verifier for each program', async () => {
    const { status, stdout } = await libbpfNode(['doctor', '--budget', objectPath('programs')])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^program +instructions +of limit +states +peak +stack +time$/m)
    expect(stdout).toMatch(/^length +2 +0\.0% +0 +0 +0 +\d+\.\d ms$/m)
    expect(stdout).not.toMatch(/^on_exit /m)
  })

  it('fails if a program is over the budget', async () => {
    const args = ['doctor', '--json', '--max-instructions', '5', objectPath('programs')]
    const { status, stdout } = await libbpfNode(args)
    expect(status).toBe(1)
    const { ok, object, budget } = JSON.parse(stdout) as Report & {
      budget: { program: string; instructions: number }[]
    }
    expect(ok).toBe(false)
    const over = budget.filter(({ instructions }) => instructions > 5).map(({ program }) => program)
    expect(over).toContain('mark')
    expect(object!.findings.filter(({ state }) => state === 'problem').map(({ check }) => check)).toEqual(
      over.map((name) => `budget ${name}`),
    )
    expect(budget.map(({ program }) => program)).toContain('length')
  })

  it('measures the programs that load if others are refused', async () => {
    const { stdout } = await libbpfNode(['doctor', '--json', '--budget', objectPath('bad-pointer')])
    expect((JSON.parse(stdout) as { budget: unknown[] }).budget).toEqual([])
  })

  it.each([
    [['--budget'], '--budget needs an OBJECT'],
    [['--max-instructions', 'many', 'x.bpf.o'], '--max-instructions many is not a number of instructions'],
  ])('refuses %j', async (args, message) => {
    const { status, stderr } = await libbpfNode(['doctor', ...args])
    expect(status).toBe(2)
    expect(stderr).toContain(message)
  })
})
