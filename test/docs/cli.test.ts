// Compares docs/cli.md with the commands: samples, options and lists.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { libbpfNode, root } from '../codegen/helper.js'
import { slowness } from '../helpers/slowness.js'

const text = readFileSync(join(root, 'docs/cli.md'), 'utf8')

interface Sample {
  args: string[]
  /** The first line that it prints, according to the page. */
  first: string
}

const samples: Sample[] = [...text.matchAll(/^ {4}\$ libbpf-node (.*)\n(?: {4}(.*)\n)?/gm)].map(
  ([, command = '', first = '']) => ({
    args: command
      .replace(/ +(#|>).*/, '')
      .split(' ')
      // The ids in the page do not exist on this machine.
      .map((word) => (/^\d+$/.test(word) ? '4294967295' : word)),
    first,
  }),
)

const columns = (line: string): string[] => line.trim().split(/ {2,}/)

describe('docs/cli.md', () => {
  it.each(samples)('shows a command that is accepted: $args', async ({ args, first }) => {
    const { status, stdout, stderr } = await libbpfNode(args)
    expect(status, stderr).not.toBe(2)
    // A table has the columns that the page shows.
    if (/^ *id +/.test(first) && stdout !== '' && args.at(-1) !== '4294967295')
      expect(columns(stdout.split('\n')[0]!)).toEqual(columns(first))
  })

  it('shows a sample of every command that prints a table', () => {
    const tables = samples.filter(({ first }) => /^ *id {2,}/.test(first)).map(({ args }) => args.join(' '))
    expect(tables).toEqual(
      expect.arrayContaining(['prog list', 'map list', 'link list', 'btf list', 'top --once']),
    )
  })

  it('shows checks that doctor makes', async () => {
    const nameOf = (line: string): string => line.slice(9).split(/ {2,}/)[0]!
    const checksIn = (output: string): string[] =>
      output
        .split('\n')
        .filter((line) => /^(ok|note|problem) /.test(line))
        .map(nameOf)
    const [, sample = ''] = /^ {4}\$ libbpf-node doctor\n((?: {4}.*\n|\n)*)/m.exec(text) ?? []
    const shown = checksIn(sample.replaceAll(/^ {4}/gm, ''))
    expect(shown.length).toBeGreaterThan(8)
    expect(checksIn((await libbpfNode(['doctor'])).stdout)).toEqual(expect.arrayContaining(shown))
  })

  const helps = new Map<string, string>()
  const commands = [...text.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name!)
  beforeAll(async () => {
    const texts = await Promise.all(commands.map((name) => libbpfNode(['help', name])))
    for (const [i, { stdout }] of texts.entries()) helps.set(commands[i]!, stdout)
  }, 60_000 * slowness)

  it('lists every command', async () => {
    const { stdout } = await libbpfNode(['help'])
    expect(commands).toEqual([...stdout.matchAll(/^ {2}(\w+) {2,}/gm)].map(([, name]) => name))
  })

  it('mentions only options that a command has', () => {
    const all = [...helps.values()].join('\n')
    const options = new Set([...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option))
    expect(options.size).toBeGreaterThan(4)
    for (const option of options) expect(all).toContain(option)
  })

  it('lists the sections of features', () => {
    const [, sections = ''] = /Sections are (.*);/.exec(text) ?? []
    const names = [...sections.matchAll(/`(\w+)`/g)].map(([, name]) => name)
    expect(helps.get('features')).toContain(`SECTION is one of ${names.join(', ')};`)
  })
})
