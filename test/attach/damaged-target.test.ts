// The program or library that a probe is attached to can belong to anyone: a damaged file must not crash or block
// this process.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Elf } from '../btf/helper.js'
import { compile } from '../helpers/compile.js'
import { requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { loadOnly, shop, useProgram } from './surroundings.js'

useTracefs()

const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-damaged-'))
afterAll(() => rmSync(folder, { recursive: true }))

// Not position-independent: before Linux 5.15 libbpf can only attach USDT probes of others to a given process.
const program = useProgram(shop, ['-no-pie'])

/** Makes a damaged copy of a file. `header(name)` returns the header of a section. */
function damaged(
  original: string,
  change: (file: Buffer, header: (name: string) => DataView) => void,
): string {
  const file = readFileSync(original)
  const elf = new Elf(file)
  change(file, (name) => {
    const { buffer, byteOffset, length } = elf.header(name)
    return new DataView(buffer, byteOffset, length)
  })
  const path = join(folder, 'damaged')
  writeFileSync(path, file, { mode: 0o755 })
  return path
}

const offsetOf = (header: DataView) => Number(header.getBigUint64(24, true))

it('attaching to a named pipe fails instead of waiting for a writer', () => {
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  using object = loadOnly('attach-trace', ['on_call'])
  expect(() => object.program('on_call').attachUprobe(path, { symbol: 'main' })).toThrow()
  using usdt = loadOnly('attach-usdt', ['on_probe'])
  expect(() => usdt.program('on_probe').attachUsdt(path, 'shop', 'sold')).toThrow()
})

describe('attaching to a program whose symbol entries have size 0', () => {
  const path = () =>
    damaged(program(), (_file, header) => {
      for (const name of ['.symtab', '.dynsym']) header(name).setBigUint64(56, 0n, true)
    })

  it('finds no function', () => {
    using object = loadOnly('attach-trace', ['on_call'])
    expect(() => object.program('on_call').attachUprobe(path(), { symbol: 'main' })).toThrow(
      `it has no function 'main' among those that it exports`,
    )
  })

  requiresKernel('6.6', 'finds no function for uprobe.multi', async () => {
    using object = loadOnly('attach-trace', ['on_calls'])
    const multi = object.program('on_calls')
    await expect(multi.attachUprobeMulti(path(), { pattern: 'm*' })).rejects.toThrow('ENOENT')
    await expect(multi.attachUprobeMulti(path(), { symbols: ['main'] })).rejects.toThrow('ENOENT')
  })
})

it('attaching to a library whose list of versions is a circle fails instead of looping', () => {
  const library = join(folder, 'library.so')
  const script = join(folder, 'versions')
  writeFileSync(script, 'A_1 { global: sell; };\nA_2 { } A_1;\n')
  const flags = ['-shared', '-fPIC', '-nostdlib', `-Wl,--version-script=${script}`]
  writeFileSync(library, compile('cc', flags, 'int sell(void) { return 1; }'))
  const path = damaged(library, (file, header) => {
    const first = offsetOf(header('.gnu.version_d'))
    const second = first + file.readUInt32LE(first + 16)
    file.writeInt32LE(first - second, second + 16)
    // No definition has the version of the symbol.
    for (const at of [first, second, second + file.readUInt32LE(first + 16)]) file.writeUInt16LE(77, at + 4)
  })
  using object = loadOnly('attach-trace', ['on_call'])
  expect(() => object.program('on_call').attachUprobe(path, { symbol: 'sell@A_1' })).toThrow(
    `it has no function 'sell@A_1'`,
  )
})

describe('attaching to a USDT probe', () => {
  const attach = (change: (file: Buffer, note: number) => void) => {
    const path = damaged(program(), (file, header) => change(file, offsetOf(header('.note.stapsdt'))))
    using object = loadOnly('attach-usdt', ['on_probe'])
    return thrownBy(() => object.program('on_probe').attachUsdt(path, 'shop', 'sold'))
  }

  it('fails if its arguments do not end', () => {
    const error = attach((file, note) => {
      // The description ends before the arguments do.
      const size = 24 + 'shop\0sold\0'.length
      file.writeUInt32LE(size + 3, note + 4)
    })
    expect(error).toMatchObject({ code: 'EINVAL' })
  })

  it('fails if an argument has no closing parenthesis', () => {
    const error = attach((file, note) => {
      const at = file.indexOf('sold\0', note) + 5
      const end = file.indexOf(0, at)
      file.fill(0, at, end).write('8@4(%rax', at)
    })
    expect(error).toMatchObject({ code: 'EINVAL' })
  })
})
