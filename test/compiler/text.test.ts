import { readFileSync } from 'node:fs'
import { BpfObject, tracePipe } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { useTracefs } from '../helpers/privileged.js'
import { slowness } from '../helpers/slowness.js'
import { seeded } from '../testing/random-programs.js'
import { runBoth } from './run.js'

/** What a program of user space's leaves in `output`: it may call helpers that the emulator does not have. */
function runInKernel(declarations: string, body: string): bigint[] {
  const head = `export const output = data<array<u64, 8>>()\n${declarations}\ninterface Nothing { n: u32 }\n`
  const text = `${head}export const p = syscall((given: Nothing) => {\n${body}\nreturn 0\n})\nexport const license = 'GPL'`
  using object = BpfObject.open(compile(text).object)
  object.loadSync()
  object.program('p').testRunSync({ context: new Uint8Array(4) })
  return [...(object.data as { output: bigint[] }).output]
}

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

  requiresKernel('5.14', 'leaves nothing of longer text that stood there before', () => {
    const declarations = `
      interface Key { id: u32; name: char<16> }
      export const counts = hash<Key, u64>(4)
      export const names = hash<char<16>, u64>(4)
      export let kept = bss<char<16>>()`
    const body = `
      const task = bpf.getCurrentTaskBtf()
      const key: Key = { id: 1, name: 'fifteen letters' }
      key.name = task.comm
      counts.add(key, 1)
      key.name = 'fifteen letters'
      key.name = bpf.getCurrentComm()
      counts.add(key, 1)
      let other: Key = { id: 1, name: 'fifteen letters' }
      other = { id: other.id, name: task.comm }
      counts.add(other, 1)
      output[0] = counts.get(key)?.value ?? 0
      kept = 'fifteen letters'
      kept = task.comm
      names.add(kept, 1)
      names.add(bpf.getCurrentComm(), 1)
      output[1] = names.get(key.name)?.value ?? 0`
    expect(runInKernel(declarations, body).slice(0, 2)).toEqual([3n, 2n])
  })

  requiresKernel('5.14', 'has a name without a type, if it is that of a thread', () => {
    const body = `
      const comm = bpf.getCurrentComm()
      output[0] = comm === bpf_comm ? 1 : 0
      output[1] = bpf.getCurrentComm().startsWith(bpf_comm) ? 1 : 0`
    const comm = readFileSync('/proc/thread-self/comm', 'utf8').trim()
    expect(runInKernel('', body.replaceAll('bpf_comm', JSON.stringify(comm))).slice(0, 2)).toEqual([1n, 1n])
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

  it('writes the same in the kernel as in the emulator', async () => {
    const seed = Number(process.env.LIBBPF_NODE_SEED ?? 1)
    const random = seeded(seed)
    const one = <T>(list: readonly T[]): T => list[random.below(list.length)]!
    const types = ['u8', 'u16', 'u32', 'u64', 's8', 's16', 's32', 's64', 'be16', 'be32', 'be64']
    const word = `seed ${seed} line`
    const [lines, most] = [40, kernelIs('5.16') ? 12 : 3]
    const line = (i: number): string => {
      // Before 5.13, a line has one text.
      let texts = kernelIs('5.13') ? most : 1
      const values = Array.from({ length: random.below(most + 1) }, () => {
        if (random.below(4) === 0 && texts-- > 0) return `\${${one(['name', 'empty', 'whole'])}}`
        const value = one(['small', 'large'])
        return `\${${one(types)}(${value}[${random.below(4)}])}`
      })
      return `print(\`${word} ${i} [${values.join(one([' ', ', ', '/']))}]\`)`
    }
    const { object } = compile(`
      export let small = data<array<s64, 4>>()
      export let large = data<array<u64, 4>>()
      export const p = tcIngress(() => {
        const name: char<16> = 'x%y'
        const empty: char<8> = ''
        const whole: char<8> = '1234567'
        ${Array.from({ length: lines }, (_, i) => line(i)).join('\n')}
        return 0
      })
      export const license = 'GPL'`)
    const given = {
      small: Array.from({ length: 4 }, () => BigInt(random.below(400)) - 200n),
      large: [0xffff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, random.u64(), random.u64()],
    }
    const emulator = Emulator.open(object)
    for (const [name, value] of Object.entries(given)) emulator.set(name, value)
    emulator.program('p').run({ packet: new Uint8Array(64) })

    using opened = BpfObject.open(object)
    Object.assign(opened.data, given)
    opened.loadSync()
    const run = (): void => void opened.program('p').testRunSync({ data: new Uint8Array(64) })
    const timer = setInterval(run, 50)
    const found: string[] = []
    try {
      for await (const text of tracePipe({ signal: AbortSignal.timeout(20_000 * slowness) })) {
        const [, own] = /bpf_trace_printk: (seed .*)$/.exec(text) ?? []
        // Other programs may print, and the first lines after printing was turned on may be lost.
        if (!own?.startsWith(`${word} ${found.length} `)) continue
        if (found.push(own) === lines) break
      }
    } finally {
      clearInterval(timer)
    }
    expect(found).toEqual(emulator.printed())
  })
})
