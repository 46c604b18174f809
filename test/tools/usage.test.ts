// What the command line says of the tools, in which the kernel has no part.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const run = (...args: string[]): string =>
  execFileSync(process.execPath, ['dist/lib/cli/main.js', 'tool', ...args], {
    encoding: 'utf8',
    stdio: 'pipe',
  })

describe('tools', () => {
  it('are listed, and have help of their own', () => {
    const names = run()
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]!)
    expect(names).toHaveLength(16)
    for (const name of ['execsnoop', 'funclatency', 'profile'])
      expect(run(name, '--help')).toContain(`Usage: libbpf-node tool ${name} `)
    for (const name of names) expect(readFileSync('docs/tools.md', 'utf8')).toContain(`## ${name}\n`)
  })

  it.each<[string[], RegExp]>([
    [['nothing'], /there is no tool 'nothing'; there are biolatency/],
    [['execsnoop', 'more'], /unexpected argument 'more'/],
    [['execsnoop', '--each'], /execsnoop has no --each/],
    [['biolatency', '--pid', '1'], /biolatency has no --pid/],
    [['funclatency'], /name one function/],
  ])('refuse %j', (args, message) => {
    expect(() => run(...args)).toThrow(message)
  })
})
