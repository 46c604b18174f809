import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { cli, root } from '../codegen/helper.js'

const folder = join(root, 'build', 'compiler-gen')
mkdirSync(folder, { recursive: true })
afterAll(() => rmSync(folder, { recursive: true }))

const source = `import { bpf, ringbuf, rawTp, type char, type u32 } from 'libbpf-node/kernel'
interface Started { pid: u32; comm: char<16> }
export const events = ringbuf<Started>(64 * 1024)
export const onExec = rawTp('sched_process_exec', (task) => {
  events.emit({ pid: task.tgid, comm: bpf.getCurrentComm() })
  return 0
})
export const license = 'GPL'
`

/** There is no clang where it looks for programs. */
function gen(file: string, ...options: string[]) {
  const env = { ...process.env, PATH: '/nowhere' }
  return spawnSync(process.execPath, [cli, 'gen', join(folder, file), ...options], { env, encoding: 'utf8' })
}

describe('libbpf-node gen FILE.bpf.ts', () => {
  it('writes a typed class, without clang', () => {
    writeFileSync(join(folder, 'started.bpf.ts'), source)
    const { status, stderr } = gen('started.bpf.ts')
    expect({ status, stderr }).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('started.skel.ts'),
    })
    const text = readFileSync(join(folder, 'started.skel.ts'), 'utf8')
    expect(text).toContain('export class Started')
    expect(text).toMatch(/pid: number/)
  })

  it('refuses what the oldest kernel does not have', () => {
    writeFileSync(
      join(folder, 'loop.bpf.ts'),
      `${source}
export let left = data<u64>(64)
export const count = rawTp('sched_process_exit', () => {
  while (left > 3) left >>= 1
  return 0
})
`,
    )
    expect(gen('loop.bpf.ts', '--kernel', '6.4')).toMatchObject({ status: 0 })
    const { status, stderr } = gen('loop.bpf.ts', '--kernel', '5.10')
    expect(status).toBe(1)
    expect(stderr).toContain('needs Linux 6.4, and the program has to load into 5.10')
    expect(gen('loop.bpf.ts', '--kernel', 'new').stderr).toContain(
      'the version of a kernel is written as in 5.10',
    )
  })

  it('shows the line of a mistake', () => {
    writeFileSync(join(folder, 'wrong.bpf.ts'), source.replace('task.tgid', 'task.tgidd'))
    const { status, stderr } = gen('wrong.bpf.ts')
    expect(status).toBe(1)
    expect(stderr).toContain("wrong.bpf.ts:5:27: struct task_struct has no member 'tgidd' in this kernel")
    expect(stderr).toContain("Did you mean 'tgid'?")
  })
})
