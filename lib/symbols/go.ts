// Go programs carry a table of their functions even if they are stripped, because tracebacks need it: .gopclntab.
import { viewOf } from '../btf/bytes.js'
import { type Elf, stringAt } from '../machine/elf-file.js'
import { mostSymbols } from './elf-symbols.js'
import type { RawSymbol } from './table.js'

/** The magic numbers of the table since Go 1.16, 1.18 and 1.20. Older programs have another layout. */
const [go116, go118, go120] = [0xffff_fffa, 0xffff_fff0, 0xffff_fff1]

/** The functions of a Go program; `undefined` for others. (Go 1.16 or newer) */
export function goSymbolsOf(elf: Elf): RawSymbol[] | undefined {
  const section = elf.sections.find(({ name }) => name === '.gopclntab' || name === '.data.rel.ro.gopclntab')
  if (section === undefined) return undefined
  const bytes = elf.bytesOf(section)
  const view = viewOf(bytes)
  if (bytes.length < 72) return undefined
  const magic = view.getUint32(0, elf.littleEndian)
  if (magic !== go116 && magic !== go118 && magic !== go120) return undefined
  const size = bytes[7] === 8 ? 8 : 4
  const word = (index: number): number => elf.word(view, 8 + index * size)
  const functions = word(0)
  if (functions > Math.min(bytes.length / 8, mostSymbols)) return undefined
  // Since 1.18, addresses are relative to the text, and entries have 32 bits.
  const isRelative = magic !== go116
  const headers = isRelative ? [3, 7] : [2, 6]
  const [namesAt, tableAt] = headers.map(word)
  const names = bytes.subarray(namesAt!)
  const entry = isRelative ? 4 : size
  const text = elf.section('.text')?.address
  if (text === undefined) return undefined
  // In a program that is linked by an external linker, the text begins after its start-up code.
  const base = isRelative ? word(2) || text : 0
  const number = (at: number): number =>
    isRelative ? view.getUint32(at, elf.littleEndian) : elf.word(view, at)
  const found: RawSymbol[] = []
  for (let i = 0; i < functions; i++) {
    const at = tableAt! + i * 2 * entry
    if (at + 3 * entry > bytes.length) return undefined
    const start = number(at)
    const end = number(at + 2 * entry)
    const data = tableAt! + number(at + entry)
    const nameAt = data + (isRelative ? 4 : size)
    if (nameAt + 4 > bytes.length) return undefined
    const name = stringAt(names, view.getUint32(nameAt, elf.littleEndian))
    if (name !== '') found.push({ start: base + start, size: end - start, rank: 0, text: name, at: 0 })
  }
  return found
}
