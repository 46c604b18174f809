// The helpers that programs call as bpf.name(...), and what they return.
import { type HelperName, helperNumber } from '../asm/helper-names.js'
import type { ExpressionCompiler } from './expressions.js'
import { nearest } from './nearest.js'
import type { ast } from './syntax.js'
import { type IntType, s64, sizeOf, u32, u64 } from './types.js'
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
  probeReadUser: helperNumber('probe_read_user'),
  probeReadUserStr: helperNumber('probe_read_user_str'),
  ringbufOutput: helperNumber('ringbuf_output'),
  ringbufReserve: helperNumber('ringbuf_reserve'),
  ringbufSubmit: helperNumber('ringbuf_submit'),
  ringbufDiscard: helperNumber('ringbuf_discard'),
} as const

/** `bpf.probeReadUser<T>(address)`: a copy of what is there, or zeros if it cannot be read. */
function readUser(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const given =
    node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params[0] : undefined
  const [address, ...more] = node.arguments
  if (given === undefined || address === undefined || more.length > 0) {
    compiler.source.fail(
      node,
      'probeReadUser needs a type and an address',
      'Write bpf.probeReadUser<u32>(address).',
    )
  }
  const place = compiler.local(compiler.module.type(given), node)
  const reg = compiler.inReg(compiler.numeric(address as ast.Expression, scope))
  compiler.call(helperNumbers.probeReadUser, [compiler.address(place), { imm: sizeOf(place.type) }, { reg }])
  return place
}

/** Helpers that are no plain functions of numbers. */
const others = ['getCurrentTask', 'getCurrentComm', 'probeReadUser', 'probeReadUserStr', 'probeReadKernelStr']

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
  if (name === 'probeReadUser') return readUser(compiler, node, scope)
  const signature = helpers[name]
  if (signature === undefined) {
    if (others.includes(name)) {
      compiler.source.fail(node, `bpf.${name}() has to be assigned to a char<N>`)
    }
    const { property } = node.callee as ast.MemberExpression
    compiler.source.fail(
      property,
      `there is no helper '${name}'`,
      nearest(name, [...Object.keys(helpers), ...others]),
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
