// What the head of each example says that it takes is what it takes.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { takes, useExamples } from '../helpers/example.js'
import { usePerfEvents, useTracefs } from '../helpers/privileged.js'

useTracefs()
usePerfEvents()
const { start } = useExamples()

describe('the head of an example', () => {
  const examples = readdirSync(new URL('../../examples', import.meta.url))
  const mainOf = (name: string) => (name === 'worker' ? 'main' : name)
  // Up to the first call that takes privileges: of what these attach to nothing is there.
  const args: Record<string, string[]> = {
    activity: ['--seconds', '1'],
    cgroup: ['/sys/fs/cgroup/no-such'],
    'fmod-ret': ['0'],
    freplace: ['0'],
    'kprobe-multi': ['vfs_*', '0'],
    lsm: ['/sys/fs/cgroup'],
    'lsm-cgroup': ['/sys/fs/cgroup/no-such'],
    netfilter: ['1'],
    'sk-msg': ['/sys/fs/cgroup/no-such', '1'],
    'uprobe-multi': ['libc.so.6', 'malloc'],
    'uprobe-session': ['1', 'libc.so.6', 'malloc'],
    usdt: ['libc.so.6', 'libc', 'setjmp'],
    worker: ['0'],
  }

  // CAP_SYS_ADMIN stands for others, and those of users are not BPF's.
  const named: Record<string, RegExp> = { CAP_SYS_ADMIN: /CAP_BPF/, CAP_SETUID: /EPERM/, CAP_SETGID: /EPERM/ }

  it.each(examples)('%s: says what it takes, and not one capability too many', async (name) => {
    expect(existsSync(new URL(`../../examples/${name}/${mainOf(name)}.ts`, import.meta.url))).toBe(true)
    for (const capability of takes(name, mainOf(name)).capabilities) {
      // Without it they show less, and work.
      if (capability === 'CAP_DAC_READ_SEARCH' || capability === 'CAP_SYSLOG') continue
      const { complained, ended } = start(name, args[name] ?? [], capability, mainOf(name))
      expect(await ended, `${name} without ${capability}`).not.toBe(0)
      expect(complained()).toMatch(named[capability] ?? capability)
    }
  })

  it('is looked at of each that is tested here', () => {
    const sources = ['tracing', 'network'].map((name) =>
      readFileSync(new URL(`${name}.test.ts`, import.meta.url), 'utf8'),
    )
    const tested = [...sources.join().matchAll(/(?:run|runToEnd|start)\('([\w-]+)'/g)].map(
      ([, name]) => name!,
    )
    expect(new Set(tested)).toEqual(new Set(examples))
  })
})
