import { BpfObject, tracePipe } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { useTracefs } from '../helpers/privileged.js'
import { slowness } from '../helpers/slowness.js'
import { runBoth } from './run.js'

describe('text', () => {
  it.each<[string, bigint]>([
    ["name === 'bash'", 1n],
    ["name !== 'bash'", 0n],
    ["'bash' === name", 1n],
    ["name === 'bas'", 0n],
    ["name === 'bash!'", 0n],
    ["name === ''", 0n],
    ["name.startsWith('ba')", 1n],
    ["name.startsWith('bash')", 1n],
    ["name.startsWith('bashful')", 0n],
    ["!name.startsWith('z') && name !== 'zsh'", 1n],
    ["name.startsWith('z') || name === 'bash'", 1n],
    ["name.startsWith('z') ? 5 : 6", 6n],
    ["long === 'fifteen letters'", 1n],
    ["long.startsWith('fifteen letter')", 1n],
  ])('%s', (condition, expected) => {
    const body = `
      const name: char<16> = 'bash'
      const long: char<16> = 'fifteen letters'
      output[0] = ${condition.includes('?') ? condition : `(${condition}) ? 1 : 0`}`
    expect(runBoth(body).output[0]).toBe(expected)
  })

  it('is compared in maps, too', () => {
    const declarations = `
      interface Entry { id: u32; name: char<12> }
      export const entries = hash<u32, Entry>(4)`
    const body = `
      entries.set(1, { id: 1, name: 'first' })
      const entry = entries.get(1)
      if (!entry) return 0
      output[0] = entry.name === 'first' ? 1 : 0
      output[1] = entry.name === 'second' ? 1 : 0`
    expect(runBoth(body, { declarations }).output.slice(0, 2)).toEqual([1n, 0n])
  })
})

describe('print', () => {
  useTracefs()

  const text = (values: string): string => `
    export const p = tcIngress(() => {
      const name: char<16> = 'x%y'
      const minus: s32 = -5
      print(\`${values}\`)
      return 0
    })
    export const license = 'GPL'`

  let printers = 0

  async function printed(values: string): Promise<string> {
    // Lines of the program before may still wait in the pipe.
    const word = `ours${++printers}`
    using opened = BpfObject.open(compile(text(`${word} [${values}]`)).object)
    opened.loadSync()
    const run = (): void => void opened.program('p').testRunSync({ data: new Uint8Array(64) })
    // The first lines after printing was turned on may be lost.
    const timer = setInterval(run, 50)
    try {
      for await (const line of tracePipe({ signal: AbortSignal.timeout(20_000 * slowness) })) {
        const found = new RegExp(`${word} \\[(.*)\\]`).exec(line)
        if (found) return found[1]!
      }
      throw new Error('nothing was printed')
    } finally {
      clearInterval(timer)
    }
  }

  it('writes numbers and text into the trace', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a program's own template
    expect(await printed('${minus} ${name} ${0x1_0000_0000n}')).toBe('-5 x%y 4294967296')
  })

  requiresKernel('5.13', 'writes percent signs, and more than one text', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a program's own template
    expect(await printed('${name} 100% ${name}')).toBe('x%y 100% x%y')
  })

  requiresKernel('5.16', 'writes more than three values', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a program's own template
    expect(await printed('${1} ${2} ${u64(3)} ${minus} ${name}')).toBe('1 2 3 -5 x%y')
  })
})
