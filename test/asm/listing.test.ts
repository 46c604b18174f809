import { readFileSync } from 'node:fs'
import { disassemble as print } from 'libbpf-node'
import {
  assemble,
  atomic,
  call,
  callFunction,
  callKfunc,
  disassemble,
  exit,
  instructionText,
  jne,
  label,
  ldData,
  ldExtern,
  ldFunction,
  ldImm64,
  ldMap,
  ldx,
  mov,
  r0,
  r1,
  r10,
  readObject,
  toText,
} from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'
import { objectPath } from '../helpers/objects.js'

describe('toText', () => {
  it('prints labels, names and source lines', () => {
    const line = { file: 'a.c', line: 3, column: 1, text: '  if (x)' }
    expect(
      toText([
        { ...ldMap(r1, 'counts'), line },
        { ...ldx('u32', r0, r1, 8), line },
        jne(r0, 0, 'out'),
        call('map_lookup_elem'),
        label('out', exit()),
      ]),
    ).toBe(
      [
        '; if (x) @ a.c:3',
        '   0: r1 = map[counts]',
        '   2: r0 = *(u32 *)(r1 +8)',
        '   3: if r0 != 0x0 goto out',
        '   4: call bpf_map_lookup_elem#1',
        'out:',
        '   5: exit',
      ].join('\n'),
    )
  })

  it('prints every program of an object', () => {
    const { functions } = readObject(readFileSync(objectPath('exec')))
    for (const { instructions } of functions) {
      const text = toText(instructions)
      expect(text).toMatch(/^ +\d+: exit$/m)
      expect(text).not.toMatch(/undefined|NaN|unknown/)
    }
  })
})

describe('instructionText', () => {
  it.each([
    [ldData(r1, 'total', 4), 'r1 = &total+4'],
    [ldExtern(r1, 'CONFIG_HZ'), 'r1 = extern[CONFIG_HZ]'],
    [ldFunction(r1, 'each'), 'r1 = subprog[each]'],
    [ldImm64(r1, 0x1234_5678_9abc_def0n), 'r1 = 0x123456789abcdef0'],
    [callFunction('twice'), 'call twice'],
    [callKfunc('bpf_task_release'), 'call bpf_task_release'],
    [mov(r0, -1), 'r0 = -1'],
    [atomic('fetch_add', 'u64', r10, -8, r1), 'r1 = atomic64_fetch_add((u64 *)(r10 -8), r1)'],
  ])('prints %o', (instruction, text) => {
    expect(instructionText(instruction)).toBe(text)
  })

  it('prints what the disassembler of the kernel side prints', () => {
    const bytes = assemble([mov(r0, 7), ldx('u64', r1, r10, -8), ldImm64(r0, 5n), exit()])
    const ours = disassemble(bytes).map(instructionText)
    expect(print(bytes).map(({ text }) => text.replace(/^\(..\) /, ''))).toEqual(ours)
  })
})
