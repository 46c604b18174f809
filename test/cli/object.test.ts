import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildObject, exit, mov, r0 } from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'
import { libbpfNode, useFolder } from '../codegen/helper.js'
import { objectPath } from '../helpers/objects.js'

const folder = useFolder()

describe('libbpf-node object', () => {
  it('shows programs, maps and CO-RE accesses of an object from clang', async () => {
    const { status, stdout } = await libbpfNode(['object', objectPath('core')])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^license {2,}\S*GPL/m)
    expect(stdout).toMatch(/^requires at least {2}Linux \d\.\d+, CAP_BPF/m)
    expect(stdout).toMatch(/^CO-RE access +kind +in +line$/m)
    expect(stdout).toMatch(/struct task_struct\S*\.\w+ +offset/)
    expect(stdout).not.toMatch(/undefined|NaN|\[object/)
  })

  it('knows what an arena requires', async () => {
    const { stdout } = await libbpfNode(['object', objectPath('arena-list')])
    expect(stdout).toMatch(/^requires at least {2}Linux 6\.9, CAP_BPF, CAP_PERFMON$/m)
    expect(stdout).toMatch(/^items +\.addr_space\.1 +1024 +struct item\[64\]$/m)
  })

  it('prints JSON with the helpers that each program calls', async () => {
    const { stdout } = await libbpfNode(['object', '--json', objectPath('exec')])
    const shown = JSON.parse(stdout) as {
      programs: { helpers: string[]; source: unknown }[]
      maps: unknown[]
    }
    expect(shown.programs[0]!.helpers).toContain('get_current_pid_tgid')
    expect(shown.programs[0]!.source).toMatchObject({ file: expect.stringMatching(/exec\.bpf\.c$/) })
    expect(shown.maps).not.toEqual([])
  })

  it('shows an object for the other byte order', async () => {
    const path = join(folder, 'big.bpf.o')
    const instructions = [mov(r0, 0), exit()]
    writeFileSync(
      path,
      buildObject({ littleEndian: false, programs: { p: { section: 'xdp', instructions } } }),
    )
    const { stdout } = await libbpfNode(['object', path])
    expect(stdout).toMatch(/^byte order +big$/m)
    expect(stdout).toMatch(/^p +xdp +xdp +2$/m)
  })

  it('says what is wrong with a file that is no object', async () => {
    const path = join(folder, 'text.o')
    writeFileSync(path, 'x'.repeat(100))
    const { status, stderr } = await libbpfNode(['object', path])
    expect(status).toBe(1)
    expect(stderr).toBe(`libbpf-node object: '${path}': this is not an ELF file\n`)
  })
})
