import { type AllFeatures, type Answers, features } from 'libbpf-node'
import { describe, expect } from 'vitest'
import { bpftoolJson, comparesWithBpftool } from '../helpers/bpftool.js'
import { kernelIs } from '../helpers/kernel.js'

interface Probed {
  program_types: Record<string, boolean>
  map_types: Record<string, boolean>
  helpers: Record<string, string[]>
  misc: Record<string, boolean>
  system_config: Record<string, number | string | null>
}

/** `have_xdp_prog_type: true` -> `xdp: true` */
function shortened(answers: Record<string, boolean>, end: string): Record<string, boolean> {
  return Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [name.replace(/^have_/, '').replace(end, ''), answer]),
  )
}

/** Ours, for the names that bpftool has: it may be older. */
function ours(answers: Answers, names: string[]): Record<string, boolean> {
  return Object.fromEntries(names.map((name) => [name, answers[name]?.answer === 'yes']))
}

describe('features agree with bpftool feature probe', () => {
  let probed: Probed
  let all: AllFeatures

  comparesWithBpftool('in program types', async () => {
    probed = bpftoolJson('feature', 'probe')
    all = await features.all()
    const theirs = shortened(probed.program_types, '_prog_type')
    expect(Object.keys(theirs).length).toBeGreaterThan(25)
    expect(ours(all.programTypes, Object.keys(theirs))).toEqual(theirs)
  })

  comparesWithBpftool('in map types', () => {
    const theirs = shortened(probed.map_types, '_map_type')
    expect(Object.keys(theirs).length).toBeGreaterThan(25)
    // Some of bpftool ask for struct_ops in words of Linux 6.9, which older kernels refuse.
    if (!kernelIs('6.9')) delete theirs.struct_ops
    expect(ours(all.mapTypes, Object.keys(theirs))).toEqual(theirs)
  })

  comparesWithBpftool('in helpers for each type', () => {
    const lists = Object.entries(probed.helpers).map(
      ([name, list]) =>
        [name.replace('_available_helpers', ''), list.map((name) => name.replace(/^bpf_/, ''))] as const,
    )
    // bpftool with a libbpf before 1.5 does not understand how kernels since 6.8 refuse a helper, and takes that for a
    // yes.
    const most = Math.max(...lists.map(([, list]) => list.length))
    const canTell = lists.some(([, list]) => list.length > 0 && list.length < most)
    for (const [type, theirs] of lists) {
      const own = all.helpers[type as keyof AllFeatures['helpers']] ?? []
      if (canTell) {
        const known = new Set(lists.flatMap(([, list]) => list))
        expect([type, own.filter((name) => known.has(name)).sort()]).toEqual([type, theirs.sort()])
      } else {
        expect(own.length).toBeLessThan(most)
        expect(own.length > 0).toBe(theirs.length > 0)
      }
    }
  })

  comparesWithBpftool('in how the machine is set up', () => {
    const { jit, jitHarden, unprivilegedBpfDisabled } = all.machine
    expect({
      unprivileged_bpf_disabled: unprivilegedBpfDisabled,
      bpf_jit_enable: ['off', 'on', 'debug'].indexOf(jit!),
      bpf_jit_harden: jitHarden,
    }).toEqual({
      unprivileged_bpf_disabled: probed.system_config.unprivileged_bpf_disabled,
      bpf_jit_enable: probed.system_config.bpf_jit_enable,
      bpf_jit_harden: probed.system_config.bpf_jit_harden,
    })
  })

  comparesWithBpftool('in instruction sets, loops and long programs', () => {
    expect({
      have_large_insn_limit: all.verifier.large_programs.answer === 'yes',
      have_bounded_loops: all.verifier.bounded_loops.answer === 'yes',
      have_v2_isa_extension: all.isa.v2.answer === 'yes',
      have_v3_isa_extension: all.isa.v3.answer === 'yes',
    }).toEqual(probed.misc)
  })
})
