// The same text, with the arguments where each machine has them: run it on x64 and on arm64.
import { execFileSync } from 'node:child_process'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { useProgram } from '../../attach/surroundings.js'
import { requiresFeature, requiresKernel } from '../../helpers/kernel.js'
import { useTracefs } from '../../helpers/privileged.js'

useTracefs()

/** Calls a function of its own, and a system call, with six arguments that are all different. Both fail. */
const program = useProgram(`
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((noinline)) int six(signed char a, unsigned short b, int c, unsigned long d, void *e, long f)
{
  __asm__ volatile("" : : "r"(e), "r"(f) : "memory");
  return a + b + c - (int)d;
}

int main(void)
{
  int result = six(-2, 0x1234, -3, 0x1122334455667788, (void *)0x0102030405060708, -5);
  syscall(SYS_sendto, -7L, 0x111213141516, 0x21222324L, 0x31L, 0x4142434445, 0x51L);
  return result == -2 + 0x1234 - 3 - 0x55667788 ? 0 : 1;
}`)

const given = { a: -2n, b: 0x1234n, c: -3n, d: 0x1122334455667788n, e: 0x0102030405060708n, f: -5n }
const sent = { a: -7n, b: 0x111213141516n, c: 0x21222324n, d: 0x31n, e: 0x4142434445n, f: 0x51n }

/** Programs that keep six arguments and a result, of the process that is called `program`. */
const text = (enter: string, leave: string): string => `
export let a = data<s64>(0)
export let b = data<s64>(0)
export let c = data<s64>(0)
export let d = data<s64>(0)
export let e = data<s64>(0)
export let f = data<s64>(0)
export let result = data<s64>(0)
${enter}
${leave}
export const license = 'GPL'`

const keeping = (hook: string, types: readonly string[]): string => {
  const parameters = types.map((type, i) => `p${i}${type === '' ? '' : `: ${type}`}`)
  return `export const enter = ${hook}, (${parameters.join(', ')}) => {
    const comm: char<16> = bpf.getCurrentComm()
    if (comm !== 'program') return 0
    ${[...'abcdef'].map((name, i) => `${name} = s64(u64(p${i}))`).join('\n')}
    return 0
  })`
}

const keepingResult = (hook: string): string => `export const leave = ${hook}, (value: s32) => {
  const comm: char<16> = bpf.getCurrentComm()
  if (comm === 'program') result = s64(value)
  return 0
})`

/** What the programs have seen when the process has ended. */
function seen(source: string): unknown {
  using object = BpfObject.open(compile(source).object)
  object.loadSync()
  object.attach()
  execFileSync(program())
  return { ...(object.data as object) }
}

describe('arguments and results are in the registers of this machine', () => {
  it('of functions of a process', () => {
    const found = seen(
      text(
        keeping(`uprobe('${program()}:six'`, ['s8', 'u16', 's32', 'u64', '', 's64']),
        keepingResult(`uretprobe('${program()}:six'`),
      ),
    )
    expect(found).toEqual({ ...given, result: BigInt.asIntN(32, -2n + 0x1234n - 3n - 0x55667788n) })
  })

  requiresFeature('kprobes', 'of functions of the kernel', () => {
    const found = seen(
      text(
        keeping("kprobe('__sys_sendto'", ['s32', '', 'u64', 'u32', '', 's32']),
        keepingResult("kretprobe('__sys_sendto'"),
      ),
    )
    expect(found).toEqual({ ...sent, result: -9n })
  })

  requiresFeature('kprobes', 'of system calls', () => {
    const found = seen(
      text(
        keeping("ksyscall('sendto'", ['s32', '', 'u64', 'u32', '', 's32']),
        keepingResult("kretsyscall('sendto'"),
      ),
    )
    expect(found).toEqual({ ...sent, result: -9n })
  })

  requiresFeature('trampolines', 'of functions whose types the kernel knows', () => {
    const found = seen(
      text(
        keeping("fentry('__sys_sendto'", ['', '', '', '', '', '']),
        `export const leave = fexit('__sys_sendto', (p0, p1, p2, p3, p4, p5, value) => {
          const comm: char<16> = bpf.getCurrentComm()
          if (comm === 'program') result = s64(value)
          return 0
        })`,
      ),
    )
    expect(found).toEqual({ ...sent, result: -9n })
  })
})

describe('registers that the other machine does not have', () => {
  requiresKernel('5.10', 'are refused with the names of those that are there', () => {
    const other = process.arch === 'arm64' ? 'di' : 'r30'
    const source = `export const p = kprobe('do_exit', () => { bpf.ktimeGetNs(); return u32(register('${other}')) })
      export const license = 'GPL'`
    expect(() => compile(source)).toThrow(`there is no register '${other}'`)
  })
})
