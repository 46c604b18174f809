// The architectures that C is compiled for: their names in other tools, and their registers for programs that read
// them.

/** Machines by the names that Node.js has for them. */
export const architectures = {
  x64: { machine: 'x86_64', target: 'x86', byteOrder: 'bpfel' },
  arm64: { machine: 'aarch64', target: 'arm64', byteOrder: 'bpfel' },
  riscv64: { machine: 'riscv64', target: 'riscv', byteOrder: 'bpfel' },
  s390x: { machine: 's390x', target: 's390', byteOrder: 'bpfeb' },
} as const

export type Architecture = keyof typeof architectures

export function isArchitecture(name: string): name is Architecture {
  return Object.hasOwn(architectures, name)
}

/** The architecture of this machine; undefined if it is not one of these. */
export const ownArchitecture: Architecture | undefined = isArchitecture(process.arch)
  ? process.arch
  : undefined

const longs = (...names: string[]): string => `unsigned long ${names.join(', ')};`

/** What the macros of bpf_tracing.h need. libbpf finds the real offsets when it loads the object. */
const registers: Readonly<Record<Architecture, string>> = {
  x64: `struct pt_regs {
  ${longs('r15', 'r14', 'r13', 'r12', 'bp', 'bx', 'r11', 'r10', 'r9', 'r8', 'ax', 'cx', 'dx', 'si', 'di', 'orig_ax')}
  ${longs('ip', 'cs', 'flags', 'sp', 'ss')}
};`,
  arm64: `struct user_pt_regs { unsigned long long regs[31], sp, pc, pstate; };
struct pt_regs {
  union {
    struct user_pt_regs user_regs;
    struct { unsigned long long regs[31], sp, pc, pstate; };
  };
  unsigned long long orig_x0;
};`,
  riscv64: `struct user_regs_struct {
  ${longs('pc', 'ra', 'sp', 'gp', 'tp', 't0', 't1', 't2', 's0', 's1', 'a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7')}
  ${longs('s2', 's3', 's4', 's5', 's6', 's7', 's8', 's9', 's10', 's11', 't3', 't4', 't5', 't6')}
};
struct pt_regs { unsigned long epc, ra, sp, gp, tp; };`,
  s390x: `typedef struct { unsigned long mask, addr; } psw_t;
typedef struct { unsigned long args[1]; psw_t psw; unsigned long gprs[16]; } user_pt_regs;
struct pt_regs { unsigned long args[1]; psw_t psw; unsigned long gprs[16]; unsigned long orig_gpr2; };`,
}

const own = ['pt_regs', 'user_pt_regs', 'user_regs_struct', 'psw_t']

/**
 * The types of the running kernel, for another architecture: they are the same except for the registers. CO-RE ignores
 * what follows the three underscores.
 *
 * @param header - vmlinux.h of this kernel
 */
export function headerFor(architecture: Architecture, header: string): string {
  if (architecture === ownArchitecture) return header
  const define = own.map((name) => `#define ${name} ${name}___of_this_machine\n`)
  const undefine = own.map((name) => `#undef ${name}\n`)
  return `#ifndef LIBBPF_NODE_FOREIGN_H
#define LIBBPF_NODE_FOREIGN_H
${define.join('')}${header}${undefine.join('')}
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
${registers[architecture]}
#pragma clang attribute pop
#endif
`
}
