// Names for the stacks that programs record.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfObject } from 'libbpf-node'
import { type BuildIdFrame, Symbols } from 'libbpf-node/symbols'
import { afterAll, describe, expect, it } from 'vitest'
import { objectPath } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-stacks-'))
afterAll(() => rmSync(folder, { recursive: true }))

const source = `
#include <unistd.h>
#include <sys/syscall.h>
static volatile long result;
static __attribute__((noinline, noipa)) void innermost() { result += syscall(SYS_getppid); }
__attribute__((noinline, noipa)) void outer() { innermost(); result++; }
int main() {
  write(1, "ready", 5);
  for (;;) {
    outer(); usleep(0);
    usleep(1000);
  }
}
`

const getppid = process.arch === 'x64' ? 110 : 173

describe('the stack of a system call', () => {
  it('is named from the addresses and from build ids', async () => {
    const program = join(folder, 'caller')
    const flags = ['-O1', '-g', '-fno-omit-frame-pointer', '-Wl,--build-id', '-o', program]
    execFileSync('cc', [...flags, '-x', 'c', '-'], { input: source })
    const child = spawn(program)
    try {
      await once(child.stdout, 'data')
      const pid = child.pid!
      const symbols = new Symbols()
      symbols.user(pid, [])
      using object = BpfObject.open(objectPath('symbols'))
      object.rodata.target = pid
      // libc's other functions use the register of the frame pointer as they like.
      object.rodata.call = getppid
      object.loadSync()
      object.attach()
      await until('a stack was taken', () => (object.data.user_stack as bigint) >= 0n)
      await until('build ids were taken', () => (object.bss.build_id_bytes as bigint) > 0n)
      const stackOf = (map: string, id: unknown) => object.map<number, bigint[]>(map).get(Number(id))!
      const namesOf = (frames: readonly { name: string | undefined }[]) => frames.map(({ name }) => name)

      const user = symbols.user(pid, stackOf('user_stacks', object.data.user_stack), { stack: true })
      const names = namesOf(user)
      // The system call is in a function of libc, which does not keep frame pointers: its caller may be missing.
      expect(names.slice(names.indexOf('outer')).slice(0, 2)).toEqual(['outer', 'main'])
      expect(user.find(({ name }) => name === 'main')).toMatchObject({ kind: 'file', module: program })

      const kernel = symbols.kernel(stackOf('kernel_stacks', object.data.kernel_stack), { stack: true })
      expect(namesOf(kernel).some((name) => /do_syscall_64|el0_svc/.test(name ?? ''))).toBe(true)

      const { frames } = object.map<number, { frames: BuildIdFrame[] }>('build_ids').get(0)!
      expect(namesOf(symbols.buildIds(pid, frames))).toEqual(expect.arrayContaining(['outer', 'main']))
      // Return addresses are those of the instruction after the call, which can be in the next line.
      const lineIn = (name: string): number | undefined =>
        symbols.buildIds(pid, frames, { stack: true, lines: true }).find((one) => one.name === name)?.source
          ?.line
      const lineOf = (text: string): number => source.split('\n').findIndex((line) => line.includes(text)) + 1
      expect(lineIn('outer')).toBe(lineOf('void outer()'))
      expect(lineIn('main')).toBe(lineOf('outer(); usleep'))
    } finally {
      child.kill()
      await once(child, 'close')
    }
  })
})
