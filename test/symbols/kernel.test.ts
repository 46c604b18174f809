import { readFileSync, writeFileSync } from 'node:fs'
import { dumpProgram } from 'libbpf-node'
import { Symbols } from 'libbpf-node/symbols'
import { describe, expect, it } from 'vitest'
import { partsOf } from '../../lib/symbols/kernel.js'
import { asNobody, copyForEveryone, runChild } from '../helpers/child.js'
import { load } from '../helpers/objects.js'

const addressOf = (name: string): bigint => {
  const [, address] = new RegExp(`^(\\w+) [tT] ${name}$`, 'm').exec(readFileSync('/proc/kallsyms', 'latin1'))!
  return BigInt(`0x${address}`)
}

/** Switches the symbols of BPF programs on, until it is disposed of. */
function listingPrograms(): Disposable {
  const path = '/proc/sys/net/core/bpf_jit_kallsyms'
  const before = readFileSync(path, 'utf8')
  writeFileSync(path, '1')
  return { [Symbol.dispose]: () => writeFileSync(path, before) }
}

describe('Symbols.kernel', () => {
  it('names functions of the kernel with their offsets', () => {
    const symbols = new Symbols()
    expect(symbols.kernelProblem).toBeUndefined()
    const at = addressOf('schedule')
    expect(symbols.kernel([at, at + 4n])).toEqual([
      { address: at, name: 'schedule', offset: 0, kind: 'kernel', module: '[kernel]' },
      { address: at + 4n, name: 'schedule', offset: 4, kind: 'kernel', module: '[kernel]' },
    ])
    expect(symbols.kernel([at, at + 1n], { stack: true })[1]).toMatchObject({ name: 'schedule', offset: 0 })
  })

  it('names BPF programs that were loaded later, with the C line', () => {
    // Older kernels list programs only if they are asked to.
    using _list = listingPrograms()
    const symbols = new Symbols()
    symbols.kernel([addressOf('schedule')])
    using object = load('programs')
    const [program] = [...object.programs.values()]
    const { id, name, tag } = program!.info()
    const [jited] = dumpProgram(id).jited
    const last = jited!.lines.at(-1)!
    const address = jited!.address + BigInt(last.offset)
    // Other processes load programs, too. If one of them was at this address before, there is no name in the first call.
    symbols.kernel([address])
    const [frame] = symbols.kernel([address])
    expect(frame).toMatchObject({
      name: `bpf_prog_${tag}_${name}`,
      offset: last.offset,
      kind: 'bpf',
      module: '[bpf]',
      source: { line: last.source.line, text: last.source.text },
    })
    expect(frame?.source?.file).toContain('programs.bpf.c')
  })

  it('gives no name to an address where there is no function', () => {
    const [nothing, zero] = new Symbols().kernel([0xffff_ffff_ffff_fff0n, 0n])
    expect(nothing).toMatchObject({ name: undefined, why: 'no function of the kernel is there' })
    expect(zero?.name).toBeUndefined()
  })

  it('says so if the kernel hides its addresses', async () => {
    const path = '/proc/sys/kernel/kptr_restrict'
    const before = readFileSync(path, 'utf8')
    using copy = copyForEveryone()
    const script = `
      import { Symbols } from 'libbpf-node/symbols'
      const symbols = new Symbols()
      console.log(JSON.stringify([symbols.kernelProblem, symbols.kernel([1n])[0].why]))
    `
    const problem = async (under: string[]) => {
      const { stdout, stderr } = await runChild(script, [], { cwd: copy.path, under })
      return JSON.parse(stdout || stderr) as [string | null, string]
    }
    try {
      writeFileSync(path, '1')
      const [hidden, why] = await problem(asNobody())
      expect(hidden).toMatch(/only zeros; CAP_SYSLOG shows them .*kptr_restrict is 1\)$/)
      expect(why).toBe(hidden)
      expect(await problem(asNobody('CAP_SYSLOG'))).toEqual([null, 'no function of the kernel is there'])
      writeFileSync(path, '2')
      expect((await problem([]))[0]).toMatch(/because .*kptr_restrict is 2$/)
    } finally {
      writeFileSync(path, before)
    }
  })
})

describe('partsOf', () => {
  const text = [
    'ffffffff81000000 T _stext',
    'ffffffff81000000 T _text',
    'ffffffff81000100 t inner',
    'ffffffff81000100 W weak_alias',
    'ffffffff81000200 D some_data',
    'ffffffff81000300 T outer',
    'ffffffff81000400 T _etext',
    'ffffffff82000000 T started_long_ago',
    'ffffffffc0000000 t first\t[one]',
    'ffffffffc0000080 t __second\t[one]',
    'ffffffffc0000080 t second\t[one]',
    'ffffffffc0009000 t bpf_prog_0123456789abcdef_on_exec\t[bpf]',
    '',
  ].join('\n')
  const number = (low: number): number => low - 2 ** 32
  const parts = partsOf(text, new Map([['one', number(0xc0000090)]]))
  const nameAt = (low: number): string | undefined => {
    const part = parts.find(({ start, end }) => number(low) >= start && number(low) < end)
    return part && `${part.name} ${part.table.find(number(low))?.name}`
  }

  it('chooses the best of several names, and ends where the text ends', () => {
    expect(nameAt(0x8100_0010)).toBe('[kernel] _stext')
    expect(nameAt(0x8100_0150)).toBe('[kernel] inner')
    expect(nameAt(0x8100_03ff)).toBe('[kernel] outer')
    expect(nameAt(0x8100_0400)).toBeUndefined()
    expect(nameAt(0x8200_0000)).toBeUndefined()
  })

  it('ends modules where /proc/modules says', () => {
    expect(nameAt(0xc000_0085)).toBe('[one] second')
    expect(nameAt(0xc000_0090)).toBeUndefined()
    expect(nameAt(0xc000_9010)).toBe('[bpf] bpf_prog_0123456789abcdef_on_exec')
  })

  it('finds nothing where addresses are hidden', () => {
    expect(partsOf('0000000000000000 T _stext\n')).toEqual([])
  })
})
