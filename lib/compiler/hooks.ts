// What the kernel passes to a program, by its hook.
import type { BtfFuncProto } from '../btf/types.js'
import type { KernelTypes } from './kernel-types.js'
import type { FunctionCompiler } from './lower.js'
import { hooks, type ModuleProgram } from './module.js'
import { nearest } from './nearest.js'
import type { Architecture } from './target.js'
import { integerOf, u64 } from './types.js'
import type { KernelPointerValue, Scope, Value } from './values.js'

/** Where a function's arguments and its result are in struct pt_regs. */
const registers: Readonly<Record<Architecture, { arguments: readonly Path[]; result: Path }>> = {
  x64: { arguments: [['di'], ['si'], ['dx'], ['cx'], ['r8']], result: ['ax'] },
  arm64: { arguments: Array.from({ length: 8 }, (_, i): Path => ['regs', i]), result: ['regs', 0] },
}

type Path = readonly (string | number)[]

/** The section of a program. */
export function sectionOf({ hook, target }: ModuleProgram): string {
  const { section } = hooks[hook]!
  return target === undefined ? section : `${section}/${target.name}`
}

/** The names of a program's parameters, with the values that they have when it begins. */
export function parametersOf(compiler: FunctionCompiler, types: KernelTypes, program: ModuleProgram): Scope {
  const { source } = compiler
  const { architecture } = compiler.target
  const context = compiler.newReg()
  compiler.push({ op: 'param', d: context, index: 0 })
  const passed = passedTo(compiler, types, program, context, architecture)
  const scope: Scope = new Map()
  for (const [i, parameter] of program.function.params.entries()) {
    if (parameter.type !== 'Identifier') return source.fail(parameter, 'a parameter of a program is a name')
    const argument = passed[i]
    if (argument === undefined) {
      const names = passed.map(({ name }) => name || '?').join(', ')
      const hook = program.target?.name ?? program.hook
      return source.fail(parameter, `'${hook}' has ${passed.length} parameters${names && `: ${names}`}`)
    }
    compiler.at = parameter.start ?? compiler.at
    scope.set(parameter.name, { value: argument.value(), mutable: false })
  }
  return scope
}

interface Passed {
  readonly name: string
  readonly value: () => Value
}

function passedTo(
  compiler: FunctionCompiler,
  types: KernelTypes,
  program: ModuleProgram,
  context: number,
  architecture: Architecture,
): readonly Passed[] {
  const { parameters, trusted } = hooks[program.hook]!
  const word = (i: number): number => {
    const d = compiler.newReg()
    compiler.push({ op: 'load', d, base: context, offset: i * 8, size: 8 })
    return d
  }
  switch (parameters) {
    case 'none':
      return []
    case 'packet': {
      const [data, end] = program.hook === 'xdp' ? [0, 4] : [76, 80]
      return [{ name: 'packet', value: () => ({ kind: 'packet', context, data: data!, end: end! }) }]
    }
    case 'tracepoint record':
      return [{ name: 'ctx', value: () => recordOf(compiler, types, program, context) }]
    case 'tracepoint arguments':
    case 'function arguments':
    case 'function arguments and result': {
      const list =
        parameters === 'tracepoint arguments'
          ? tracepoint(compiler, types, program)
          : argumentsOf(compiler, types, program)
      const own = list.params.map(({ name, typeId }, i) => ({
        name,
        value: () => valueFrom(types, typeId, word(i), trusted),
      }))
      if (parameters !== 'function arguments and result') return own
      const result = {
        name: 'result',
        value: () => valueFrom(types, list.returnTypeId, word(own.length), trusted),
      }
      return [...own, result]
    }
    case 'registers': {
      const { params } = argumentsOf(compiler, types, program)
      const places = registers[architecture].arguments
      return params.slice(0, places.length).map(({ name, typeId }, i) => ({
        name,
        value: () => valueFrom(types, typeId, register(compiler, types, program, context, places[i]!), false),
      }))
    }
    case 'result in a register': {
      const { returnTypeId } = argumentsOf(compiler, types, program)
      const place = registers[architecture].result
      return [
        {
          name: 'result',
          value: () =>
            valueFrom(types, returnTypeId, register(compiler, types, program, context, place), false),
        },
      ]
    }
  }
}

/** The numbers and pointers that a tracepoint is called with, without its own first argument. */
function tracepoint(compiler: FunctionCompiler, types: KernelTypes, { target }: ModuleProgram): BtfFuncProto {
  const found = types.tracepoint(target!.name)
  if (found !== undefined) return found
  return compiler.source.fail(
    target!.node,
    `this kernel has no tracepoint '${target!.name}'`,
    nearest(target!.name, types.tracepointNames()),
  )
}

function argumentsOf(
  compiler: FunctionCompiler,
  types: KernelTypes,
  { hook, target }: ModuleProgram,
): BtfFuncProto {
  const { prefix = '' } = hooks[hook]!
  const found = types.function(`${prefix}${target!.name}`)
  if (found !== undefined) return found
  const what = prefix === '' ? 'function' : 'LSM hook'
  const names = [...types.btf.names('func')]
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
  return compiler.source.fail(
    target!.node,
    `this kernel has no ${what} '${target!.name}'`,
    nearest(target!.name, names),
  )
}

/** What a tracepoint records: the struct that its format describes. */
function recordOf(
  compiler: FunctionCompiler,
  types: KernelTypes,
  { target }: ModuleProgram,
  context: number,
): KernelPointerValue {
  const [category, event] = target!.name.split('/')
  if (event === undefined) {
    return compiler.source.fail(
      target!.node,
      'a tracepoint is named with its category',
      "Write 'sched/sched_switch'.",
    )
  }
  const isSystemCall = category === 'syscalls'
  const name = isSystemCall ? event.replace(/^(sys_enter|sys_exit)_.*/, '$1') : event
  const record = types.record(`trace_event_raw_${name}`)
  if (record !== undefined) return { kind: 'kernel pointer', reg: context, record, trusted: true }
  const names = [...types.btf.names('struct')]
    .filter((one) => one.startsWith('trace_event_raw_'))
    .map((one) => one.slice(16))
  return compiler.source.fail(
    target!.node,
    `the kernel's types have no record of the tracepoint '${target!.name}'`,
    nearest(name, names) ??
      "Events that share a format are recorded as the first of them; rawTp and tpBtf have each tracepoint's arguments.",
  )
}

/** A register of the interrupted function. The context is a struct pt_regs, which is read directly. */
function register(
  compiler: FunctionCompiler,
  types: KernelTypes,
  program: ModuleProgram,
  context: number,
  path: Path,
): number {
  const record =
    types.record('pt_regs') ?? compiler.source.fail(program.node, 'the types of the kernel have no pt_regs')
  let typeId = record.id
  for (const step of path) {
    const type = types.btf.resolve(typeId)
    if (typeof step === 'number') {
      if (type.kind === 'array') typeId = type.typeId
      continue
    }
    const isRecord = type.kind === 'struct' || type.kind === 'union'
    const member = isRecord ? types.member(type, step) : undefined
    if (member === undefined) {
      return compiler.source.fail(
        program.node,
        `struct pt_regs of these types has no '${step}': they are of another machine`,
      )
    }
    typeId = member.typeId
  }
  const { core, offset } = types.offsetOf({ root: record, steps: path, typeId })
  const d = compiler.newReg()
  compiler.push({ op: 'load', d, base: context, offset, size: 8, core })
  return d
}

function valueFrom(types: KernelTypes, typeId: number, reg: number, trusted: boolean): Value {
  const type = types.btf.resolve(typeId)
  if (type.kind === 'ptr') {
    const record = types.btf.resolve(type.typeId)
    if (record.kind === 'struct' || record.kind === 'union')
      return { kind: 'kernel pointer', reg, record, trusted }
  }
  const isNumber = type.kind === 'int' || type.kind === 'enum' || type.kind === 'enum64'
  return { kind: 'number', reg, type: isNumber && type.size === 8 ? integerOf(8, type.signed) : u64 }
}
