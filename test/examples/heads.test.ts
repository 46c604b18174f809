// The first lines of an example name the capabilities that it requires, and no others.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { requirementsOf, useExamples } from '../helpers/example.js'
import { usePerfEvents, useTracefs } from '../helpers/privileged.js'

useTracefs()
usePerfEvents()
const { start } = useExamples()

describe('the first lines of an example', () => {
  const examples = readdirSync(new URL('../../examples', import.meta.url))
  const mainOf = (name: string) => (name === 'worker' ? 'main' : name)
  // The examples get as far as the first call that requires privileges, as none of these targets exists.
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
    'xdp-blocklist': ['lo', '/dev/null'],
    'xdp-dns-cache': ['lo', '127.0.0.1'],
    'xdp-record': ['lo', '/dev/null'],
    'xdp-responder': ['lo', '192.0.2.1'],
  }

  // CAP_SYS_ADMIN implies others, and the kernel names no capability when changing users fails.
  const named: Record<string, RegExp> = { CAP_SYS_ADMIN: /CAP_BPF/, CAP_SETUID: /EPERM/, CAP_SETGID: /EPERM/ }

  it.each(examples)('%s requires each capability that it names', async (name) => {
    expect(existsSync(new URL(`../../examples/${name}/${mainOf(name)}.ts`, import.meta.url))).toBe(true)
    for (const capability of requirementsOf(name, mainOf(name)).capabilities) {
      // Without these, examples work and show less.
      if (capability === 'CAP_DAC_READ_SEARCH' || capability === 'CAP_SYSLOG') continue
      const { complained, ended } = start(name, args[name] ?? [], capability, mainOf(name))
      expect(await ended, `${name} without ${capability}`).not.toBe(0)
      expect(complained()).toMatch(named[capability] ?? capability)
    }
  })

  it('exist for every example that the other files test, and the reverse', () => {
    const sources = ['tracing', 'network'].map((name) =>
      readFileSync(new URL(`${name}.ts`, import.meta.url), 'utf8'),
    )
    const tested = [...sources.join().matchAll(/(?:run|runToEnd|start)\('([\w-]+)'/g)].map(
      ([, name]) => name!,
    )
    expect(new Set(tested)).toEqual(new Set(examples))
  })
})
