import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const codesIn = (folder: string, pattern: RegExp): Set<string> =>
  new Set(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => pattern.test(name) && !name.endsWith('codes.ts'))
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').match(/\bERR_BPF_[A-Z_]+\b/g) ?? []),
  )

const documented = readFileSync('lib/errors/codes.ts', 'utf8')
const table = new Set(
  [...documented.matchAll(/^ \* \| `(ERR_BPF_\w+)` \| .+ \| .+ \|$/gm)].map(([, code]) => code),
)
const union = new Set([...documented.matchAll(/^ {2}\| '(ERR_BPF_\w+)'$/gm)].map(([, code]) => code))

describe('BpfErrorCode', () => {
  it('has every code that the sources use, and no others', () => {
    const used = new Set([...codesIn('lib', /\.ts$/), ...codesIn('binding', /\.(cc|h)$/)])
    expect([...union].sort()).toEqual([...used].sort())
  })

  it('describes every code in its table', () => {
    expect([...table]).toEqual([...union])
  })
})
