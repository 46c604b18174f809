/** What {@link listHooks} finds. */
export type HookKind =
  | 'tracepoint'
  | 'raw_tp'
  | 'function'
  | 'syscall'
  | 'lsm'
  | 'kfunc'
  | 'iter'
  | 'struct_ops'
  | 'cgroup'
  | 'network'
  | 'perf_event'
  | 'user'
  | 'usdt'

export const hookKinds: readonly HookKind[] = [
  'tracepoint',
  'raw_tp',
  'function',
  'syscall',
  'lsm',
  'kfunc',
  'iter',
  'struct_ops',
  'cgroup',
  'network',
  'perf_event',
  'user',
  'usdt',
]

/** An argument of a hook, a field of what it records, or a member of its struct. */
export interface HookParameter {
  readonly name: string
  /** As C declares it, without the name: `struct task_struct *`. */
  readonly type: string
  /** As C declares it, with the name: `char comm[16]`. */
  readonly declaration: string
  /** Whether it is a struct or union that is passed by value, not by a pointer. */
  readonly byValue?: true
}

/** Something that a program can be attached to, or that a program can call (`kfunc`). */
export interface Hook {
  readonly kind: HookKind
  /** `sched/sched_switch`, `vfs_read`, `openat`, `/usr/bin/node:uv_run`. */
  readonly name: string
  /** What SEC() can say, the usual choice first; empty for a kfunc. */
  readonly sections: readonly string[]
  /** What a program gets there. The arguments of functions of programs and libraries are not known. */
  readonly parameters: readonly HookParameter[]
  /** The type of the result of a function. A struct or union is left out. */
  readonly returns?: string
  /** The struct that `ctx` points to, if the parameters are its members. */
  readonly context?: string
  /** The kernel module that has it. */
  readonly module?: string
  /** The first version of Linux where a program can be attached like that. */
  readonly since: string
}
