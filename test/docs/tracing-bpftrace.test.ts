// Runs each line of the table of docs/tracing-bpftrace.md.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cli } from '../codegen/helper.js'
import { hasBreakpoints } from '../helpers/breakpoints.js'
import { usePerfEvents, useTracefs } from '../helpers/privileged.js'
import { readPage } from './blocks.js'

const rows = [
  ...readPage('docs/tracing-bpftrace.md').matchAll(/^\| `.*?` (?:with `.*?` )?\| `(.*)` \|$/gm),
].map(([, command]) => command!)
const commands = rows.filter((command) =>
  /^(hooks|trace|count|sum|avg|min|max|hist|latency|stacks|tool) /.test(command),
)
const hasKprobes = readFileSync('/proc/kallsyms', 'latin1').includes(' register_kprobe\n')
const hasBash = existsSync('/bin/bash')

/** What this machine does not have, and a command needs. */
function missing(command: string): string | undefined {
  if (!hasKprobes && /k(ret)?probe:/.test(command)) return 'a kernel with CONFIG_KPROBES'
  if (!hasBash && command.includes('/bin/bash')) return '/bin/bash'
  if (command.includes('watchpoint:') && !hasBreakpoints()) return 'a processor with breakpoints'
  return command.includes('hardware:') ? 'a processor with counters' : undefined
}

/** Runs a command in a shell, as it stands there, for a moment. */
function run(command: string): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const line = command.replace(/ --seconds 5| --interval 1(?= --clear)/, (part) => part.replace(/\d/, '0.3'))
  const isOver = / --seconds /.test(line) || /^hooks /.test(line)
  const child = spawn('/bin/sh', [
    '-c',
    `'${process.execPath}' '${cli}' ${line}${isOver ? '' : ' --seconds 0.3'}`,
  ])
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })))
}

describe('docs/tracing-bpftrace.md', () => {
  useTracefs()
  usePerfEvents()

  it('has forty one-liners', () => {
    expect(commands.length).toBeGreaterThanOrEqual(40)
  })

  for (const command of commands) {
    const lacks = missing(command)
    it(`runs ${command}${lacks === undefined ? '' : `, or says that it needs ${lacks}`}`, async () => {
      const { status, stderr } = await run(command)
      if (status === 1 && lacks !== undefined)
        expect(stderr).toMatch(
          /no such hardware counter|breakpoint|without (kprobes|CONFIG_FPROBE)|\/bin\/bash/,
        )
      else expect([status, status === 0 ? '' : stderr]).toEqual([0, ''])
    })
  }

  it('shows what the first lines print', async () => {
    expect((await run(`trace begin "'hello world'"`)).stdout).toBe('hello world\n')
    expect((await run('trace interval:ms:50 elapsed')).stdout).toMatch(/^\d+\n/)
    expect(
      (await run("trace t:syscalls:sys_enter_openat 'str(args.filename)' -c 'cat /etc/hostname'")).stdout,
    ).toContain('/etc/hostname\n')
  })
})
