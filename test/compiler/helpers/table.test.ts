import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { features } from 'libbpf-node'
import { helperNames } from 'libbpf-node/asm'
import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { root } from '../../codegen/helper.js'

const source = readFileSync(join(root, 'lib/compiler/helpers/table.ts'), 'utf8')

/** The message of a program that calls a helper, or undefined if it compiles. */
function refusal(hook: string, call: string, license = "export const license = 'GPL'"): string | undefined {
  try {
    compile(`export const p = ${hook} => { ${call}; return 0 })\n${license}`)
    return undefined
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter((text) => text !== undefined).join(' | ')
  }
}

describe('the table of helpers', () => {
  it("has the prototypes of libbpf's list", () => {
    const header = readFileSync(join(root, 'dist/include/bpf/bpf_helper_defs.h'), 'utf8')
    const found = [
      ...header.matchAll(
        /^static (?:__bpf_fastcall )?(.*?)\(\* const bpf_\w+\)\((.*)\) = \(void \*\) \d+;$/gm,
      ),
    ].map(([, returns, parameters]) => `${parameters} -> ${returns!.trim()}`)
    const own = [...source.matchAll(/^ {2}["'](.* -> .*)["'],$/gm)].map(([, text]) => text)
    expect(own).toEqual(found)
    expect(own).toHaveLength(helperNames.length - 1)
  })

  it('knows which helpers XDP programs may call, as this kernel answers', async () => {
    const ranges = /\bxdp:\s*'([^']*)'/.exec(source)![1]!
    const numbers = new Set(
      ranges.split(' ').flatMap((range) => {
        const [from, to = from] = range.split('-').map(Number)
        return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i)
      }),
    )
    const answers = features.helpers('xdp')
    // An older kernel has fewer of them.
    const wrong = [...answers].filter(
      ([name, { answer }]) => answer === 'yes' && !numbers.has(helperNames.indexOf(name as never)),
    )
    expect(wrong.map(([name]) => name)).toEqual([])
  })
})

describe('a helper that a program may not call', () => {
  it.each([
    [
      'xdp((packet)',
      'bpf.getCurrentCgroupIds()',
      "there is no helper 'getCurrentCgroupIds' | Did you mean 'getCurrentCgroupId'?",
    ],
    [
      "rawTp('sched_switch', ()",
      'bpf.xdpAdjustHead(1)',
      'rawTp programs cannot call bpf.xdpAdjustHead | It is for xdp.',
    ],
    ['xdp((packet)', 'bpf.skbVlanPop()', 'xdp programs cannot call bpf.skbVlanPop | It is for tcIngress.'],
    [
      'cgroupConnect4((ctx)',
      'bpf.getStack(ctx, 0)',
      'cgroupConnect4 programs cannot call bpf.getStack | Among others, these can: rawTp, tpBtf, tracepoint, uprobe.',
    ],
  ])('%s %s', (hook, call, expected) => {
    expect(refusal(hook, call)).toBe(expected)
  })

  it('because of its license', () => {
    const hook = "rawTp('sched_switch', ()"
    expect(refusal(hook, 'bpf.getCurrentTask()', '')).toBe(
      "bpf.getCurrentTask is only for programs with a license that is compatible with the GPL | Write export const license = 'GPL'.",
    )
    expect(refusal(hook, 'bpf.getCurrentTask()', "export const license = 'MIT'")).toBe(
      'bpf.getCurrentTask is only for programs with a license that is compatible with the GPL | The kernel knows these: GPL, GPL v2, GPL and additional rights, Dual BSD/GPL, Dual MIT/GPL, Dual MPL/GPL.',
    )
    expect(refusal(hook, 'bpf.getCurrentTask()', "export const license = 'Dual MIT/GPL'")).toBeUndefined()
    expect(refusal(hook, 'bpf.ktimeGetNs()', '')).toBeUndefined()
  })

  it('because reading the kernel needs one that the license does not allow', () => {
    expect(
      refusal("rawTp('sched_process_exec', (task)", 'const x = task.tgid; if (x === 1) return 1', ''),
    ).toBe(
      "bpf_probe_read_kernel is only for programs with a license that is compatible with the GPL | Write export const license = 'GPL'.",
    )
  })

  it('because of the oldest kernel', () => {
    const text =
      "export const p = xdp((packet) => { bpf.ktimeGetBootNs(); return 2 })\nexport const license = 'GPL'"
    expect(() => compile(text, { oldestKernel: '5.4' })).toThrow(
      'bpf.ktimeGetBootNs came with Linux 5.8, and the program has to load into 5.4',
    )
    expect(() => compile(text, { oldestKernel: '5.10' })).not.toThrow()
    expect(() => compile('export const p = skLookup((ctx) => SK.PASS)', { oldestKernel: '5.8' })).toThrow(
      'skLookup programs came with Linux 5.9, and this one has to load into 5.8',
    )
  })
})

describe('arguments of a helper', () => {
  it.each([
    [
      'xdp((packet)',
      'bpf.xdpAdjustHead()',
      'xdpAdjustHead has 1 argument, and 0 are given | They are delta.',
    ],
    [
      'cgroupSysctl((ctx)',
      'bpf.sysctlGetName(5, 0)',
      'a number is not in memory that the kernel could use | Declare a variable with an interface, an array<T, N> or a char<N> as its type.',
    ],
    [
      "rawTp('sched_process_exec', (task)",
      'bpf.getTaskStack(task, task, 0)',
      "the verifier does not know this pointer, and 'task' has to be a pointer to a struct task_struct that it knows | The arguments of tpBtf, fentry and lsm programs are known, and so is bpf.getCurrentTaskBtf().",
    ],
    [
      'tcIngress((packet)',
      'bpf.skRelease(packet)',
      'only what sk_lookup_tcp and its like return is released',
    ],
    [
      'xdp((packet)',
      'bpf.mapLookupElem(1, 2)',
      "maps and rings have words of their own for 'mapLookupElem' | Write map.get(key).",
    ],
    [
      "rawTp('sched_switch', ()",
      'const x: u32 = 1; bpf.sendSignal(x, 2)',
      'sendSignal has 1 argument, and 2 are given | They are sig.',
    ],
  ])('%s %s', (hook, call, expected) => {
    expect(refusal(hook, call)).toBe(expected)
  })
})
