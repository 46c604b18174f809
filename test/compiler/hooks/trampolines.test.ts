// Programs that answer in place of the kernel, and programs that may sleep.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { requiresFeature, requiresKernel } from '../../helpers/kernel.js'
import { useCgroup } from '../../helpers/privileged.js'
import { dataOf, load } from '../load.js'

const cgroup = useCgroup()

const openComm = (): void => closeSync(openSync('/proc/self/comm', 'r'))

const programs = {
  fmodRet: `
    export const guarded = rodata<u32>(0)
    export let refused = data<u64>(0)
    export const onKill = fmodRet('security_task_kill', (task, info, signal, cred, verdict) => {
      if (verdict !== 0 || signal === 0 || task.tgid !== s32(guarded)) return s32(verdict)
      if (u32(bpf.getCurrentPidTgid() >> 32) === guarded) return 0
      refused += 1
      return -1
    })`,
  lsmCgroup: `
    export let asked = data<u64>(0)
    export const onBind = lsmCgroup('socket_bind', (socket, address) => {
      asked += 1
      return address.sa_family === 2 ? 0 : 1
    })`,
  fentrySleepable: `
    export let seen = data<u64>(0)
    export let result = data<u64>(0)
    export let read = data<u64>(7)
    export const enter = fentrySleepable('bpf_fentry_test1', (a) => {
      read = bpf.copyFromUser<u64>(0)
      seen = u64(a)
      return 0
    })
    export const leave = fexitSleepable('bpf_fentry_test1', (a, value) => {
      result = u64(value)
      return 0
    })`,
  fsession: `
    export let called = data<u64>(0)
    export let returned = data<u64>(0)
    export let result = data<s32>(0)
    export let kept = data<u64>(0)
    export const both = fsession('bpf_fentry_test1', (a, value) => {
      const cookie = kfunc.bpf_session_cookie()
      if (!cookie) return 0
      if (kfunc.bpf_session_is_return()) {
        returned += 1
        result = value
        kept = cookie.value
        return 0
      }
      called += 1
      cookie.value = u64(a) + 40
      return 0
    })`,
  fsessionSleepable: `
    export let runs = data<u64>(0)
    export let read = data<u64>(7)
    export const both = fsessionSleepable('bpf_fentry_test1', (a, value) => {
      read = bpf.copyFromUser<u64>(0)
      runs += 1
      return 0
    })`,
  lsmSleepable: `
    export let opened = data<u64>(0)
    export let read = data<u64>(7)
    export const onOpen = lsmSleepable('file_open', (file) => {
      if (!file.f_path.dentry.d_name.name.startsWith('comm')) return 0
      read = bpf.copyFromUser<u64>(0)
      opened += 1
      return 0
    })`,
  iterSleepable: `
    export let tasks = data<u64>(0)
    export const rows = iterSleepable('task', (ctx) => {
      const task = ctx.task
      if (!task) return 0
      tasks += 1
      ctx.print(\`\${task.pid} \${task.comm}\`)
      return 0
    })`,
}

describe('hooks of programs that stand in the way of the kernel', () => {
  for (const [name, text] of Object.entries(programs)) {
    const compiles = () => {
      expect(compile(`${text}\nexport const license = 'GPL'\n`).programs.length).toBeGreaterThan(0)
    }
    // bpf_session_cookie is a function of the kernel's.
    if (name === 'fsession') requiresKernel('6.10', `${name} compiles`, compiles)
    else it(`${name} compiles`, compiles)
  }

  requiresFeature('trampolines', 'fmodRet answers in place of a function', async () => {
    const sleeping = spawn('sleep', ['1000'])
    const ended = once(sleeping, 'close')
    try {
      using object = load(programs.fmodRet, { guarded: sleeping.pid })
      object.attach()
      expect(() => process.kill(sleeping.pid!, 'SIGTERM')).toThrow('EPERM')
      expect(dataOf(object).refused).toBe(1n)
    } finally {
      sleeping.kill('SIGKILL')
      await ended
    }
  })

  requiresFeature(
    'lsm',
    'lsmCgroup refuses what the processes of a cgroup do',
    () => {
      using object = load(programs.lsmCgroup)
      using _link = object.program('onBind').attachCgroup(cgroup())
      const script = `require('dgram').createSocket(process.argv[1]).on('error', ({ code }) => console.log(code)).bind(0, function () { console.log('bound'); this.close() })`
      const inside = 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"'
      const bind = (kind: string): string =>
        execFileSync('sh', ['-c', inside, 'sh', cgroup(), process.execPath, '-e', script, kind], {
          encoding: 'utf8',
        }).trim()
      expect(bind('udp4')).toBe('EPERM')
      expect(bind('udp6')).toBe('bound')
      expect(dataOf(object).asked).toBeGreaterThanOrEqual(2n)
    },
    '6.0',
  )
})

describe('fsession', () => {
  requiresFeature(
    'trampolines',
    'is one program for the call and the return',
    () => {
      using object = load(programs.fsession)
      object.attach()
      object.program('both').testRunSync()
      expect(object.data).toMatchObject({ called: 1n, returned: 1n, result: 2, kept: 41n })
      using sleeping = load(programs.fsessionSleepable)
      sleeping.attach()
      sleeping.program('both').testRunSync()
      expect(sleeping.data).toMatchObject({ runs: 2n, read: 0n })
    },
    '7.0',
  )
})

describe('programs that may sleep', () => {
  // Few functions may be traced by programs that sleep. This one is the kernel's own for tests, which a test run calls.
  requiresFeature(
    'trampolines',
    'fentrySleepable and fexitSleepable see a call',
    () => {
      using object = load(programs.fentrySleepable)
      object.attach()
      object.program('enter').testRunSync()
      expect(object.data).toMatchObject({ seen: 1n, result: 2n, read: 0n })
    },
    '6.2',
  )

  requiresFeature(
    'lsm',
    'lsmSleepable reads zeros where there is nothing',
    () => {
      using object = load(programs.lsmSleepable)
      object.attach()
      openComm()
      expect(dataOf(object).opened).toBeGreaterThan(0n)
      expect(dataOf(object).read).toBe(0n)
    },
    '5.11',
  )

  requiresFeature(
    'trampolines',
    'iterSleepable goes over threads',
    async () => {
      using object = load(programs.iterSleepable)
      using link = object.program('rows').attachIter()
      expect(await link.text()).toMatch(new RegExp(`^${process.pid} `, 'm'))
      expect(dataOf(object).tasks).toBeGreaterThan(1n)
    },
    '6.1',
  )
})
