import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { libbpfNode, tsc, useFolder } from '../codegen/helper.js'

const folder = useFolder()

const program = `import { rawTp } from 'libbpf-node/kernel'
export const onSwitch = rawTp('sched_switch', (preempt, prev) => {
  return prev.real_parent.signal.leader
})
`

function project(name: string, text = program): string {
  const path = join(folder, name)
  mkdirSync(path)
  writeFileSync(join(path, 'one.bpf.ts'), text)
  return path
}

describe('libbpf-node types', () => {
  it('declares the hooks that a file uses, and the structs that these lead to', async () => {
    const path = project('used')
    const { status, stderr } = await libbpfNode(['types', 'one.bpf.ts'], path)
    expect({ status, stderr }).toEqual({ status: 0, stderr: 'wrote kernel.d.ts\n' })
    const text = readFileSync(join(path, 'kernel.d.ts'), 'utf8')
    expect(text).toMatch(/^\/\/ Written by `libbpf-node types one\.bpf\.ts` for Linux \d/)
    expect(text).toContain(
      'sched_switch: [preempt: boolean, prev: kernel.task_struct, next: kernel.task_struct',
    )
    expect(text).toMatch(/ {4}interface task_struct \{\n(.*\n)*? {6}readonly comm: KernelText<16>\n/)
    expect(text).not.toContain('sched_process_exec')
    expect(await tsc(path, { noEmit: true, skipLibCheck: false, noUnusedParameters: false })).toBe('')
  })

  it('writes nothing if nothing has changed', async () => {
    const path = project('again')
    await libbpfNode(['types', 'one.bpf.ts', '-o', 'own.d.ts'], path)
    const before = statSync(join(path, 'own.d.ts'), { bigint: true }).mtimeNs
    const { status, stderr } = await libbpfNode(['types', 'one.bpf.ts', '-o', 'own.d.ts'], path)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(statSync(join(path, 'own.d.ts'), { bigint: true }).mtimeNs).toBe(before)
  })

  it('declares what it can if a program has a mistake, and refuses what is no TypeScript', async () => {
    const mistake = project('mistake', program.replace('leader', 'leadr'))
    expect(await libbpfNode(['types', 'one.bpf.ts'], mistake)).toMatchObject({ status: 0 })
    const output = await tsc(mistake, { noEmit: true, noUnusedParameters: false })
    expect(output).toContain(
      "Property 'leadr' does not exist on type 'signal_struct'. Did you mean 'leader'?",
    )
    const broken = project('broken', 'export const = 1')
    expect(await libbpfNode(['types', 'one.bpf.ts'], broken)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('one.bpf.ts:1:14: Unexpected token'),
    })
    expect(existsSync(join(broken, 'kernel.d.ts'))).toBe(false)
  })

  it('declares the whole kernel with --all, so that tsc also refuses names of hooks', async () => {
    const path = project('all', `${program.replace("'sched_switch'", "'sched_swich'")}`)
    expect(await libbpfNode(['types', '--all'], path)).toMatchObject({ status: 0 })
    const text = readFileSync(join(path, 'kernel.d.ts'), 'utf8')
    expect(text).toMatch(/string}\/sched_switch`\]: kernel\.trace_event_raw_sched_switch\n/)
    expect(text).toMatch(/file_open: \{ arguments: \[file: kernel\.file\]; result: s32 \}/)
    const output = await tsc(path, { noEmit: true })
    expect(output).toMatch(/'"sched_swich"' is not assignable to parameter of type/)
  }, 120_000)

  it.each([
    [[], 'a FILE or --all is required'],
    [['--all', 'one.bpf.ts'], '--all declares everything: do not name files'],
    [['one.bpf.ts', '-o', 'x.js'], '--output x.js: the name must end in .d.ts'],
    [['--some'], "unknown option '--some'"],
  ])('refuses %j with a usage error', async (args, message) => {
    expect(await libbpfNode(['types', ...args], folder)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(message),
    })
  })
})
