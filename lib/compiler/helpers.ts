// The helpers that programs call as bpf.name(...), and what they return.
import { type HelperName, helperNumber } from '../asm/helper-names.js'
import type { ExpressionCompiler } from './expressions.js'
import { nearest } from './nearest.js'
import type { ast } from './syntax.js'
import { type IntType, s64, u32, u64 } from './types.js'
import type { Scope, Value } from './values.js'

export interface HelperSignature {
  readonly number: number
  readonly returns: IntType
  /** The types of its arguments. */
  readonly parameters: readonly IntType[]
}

const make = (name: HelperName, returns: IntType, ...parameters: IntType[]): HelperSignature => ({
  number: helperNumber(name),
  returns,
  parameters,
})

/** By the name in programs, which is the kernel's in camel case. */
export const helpers: Readonly<Record<string, HelperSignature>> = {
  ktimeGetNs: make('ktime_get_ns', u64),
  ktimeGetBootNs: make('ktime_get_boot_ns', u64),
  ktimeGetCoarseNs: make('ktime_get_coarse_ns', u64),
  jiffies64: make('jiffies64', u64),
  getSmpProcessorId: make('get_smp_processor_id', u32),
  getNumaNodeId: make('get_numa_node_id', u32),
  getPrandomU32: make('get_prandom_u32', u32),
  getCurrentPidTgid: make('get_current_pid_tgid', u64),
  getCurrentUidGid: make('get_current_uid_gid', u64),
  getCurrentCgroupId: make('get_current_cgroup_id', u64),
  sendSignal: make('send_signal', s64, u32),
}

export const helperNumbers = {
  mapLookup: helperNumber('map_lookup_elem'),
  mapUpdate: helperNumber('map_update_elem'),
  mapDelete: helperNumber('map_delete_elem'),
  getCurrentComm: helperNumber('get_current_comm'),
  getCurrentTask: helperNumber('get_current_task'),
  probeReadKernel: helperNumber('probe_read_kernel'),
  probeReadKernelStr: helperNumber('probe_read_kernel_str'),
  probeReadUserStr: helperNumber('probe_read_user_str'),
  ringbufReserve: helperNumber('ringbuf_reserve'),
  ringbufSubmit: helperNumber('ringbuf_submit'),
  ringbufDiscard: helperNumber('ringbuf_discard'),
} as const

export function callHelper(
  compiler: ExpressionCompiler,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  if (name === 'getCurrentTask') {
    const record = compiler.kernel.record('task_struct')
    if (record === undefined) compiler.source.fail(node, 'the types of the kernel have no task_struct')
    return {
      kind: 'kernel pointer',
      reg: compiler.call(helperNumbers.getCurrentTask, []),
      record,
      trusted: false,
    }
  }
  const signature = helpers[name]
  if (signature === undefined) {
    if (name === 'getCurrentComm' || name === 'probeReadUserStr') {
      compiler.source.fail(node, `bpf.${name}() has to be assigned to a char<N>`)
    }
    const { property } = node.callee as ast.MemberExpression
    compiler.source.fail(
      property,
      `there is no helper '${name}'`,
      nearest(name, [...Object.keys(helpers), 'getCurrentTask', 'getCurrentComm']),
    )
  }
  const { number, parameters, returns } = signature
  if (node.arguments.length !== parameters.length) {
    compiler.source.fail(
      node,
      `${name} has ${parameters.length} arguments, and ${node.arguments.length} are given`,
    )
  }
  const args = parameters.map((type, i) => {
    const argument = node.arguments[i] as ast.Expression
    return { reg: compiler.inReg(compiler.convert(compiler.numeric(argument, scope), type, argument)) }
  })
  return { kind: 'number', reg: compiler.call(number, args), type: returns }
}
