// What the kernel passes to a program, by its hook.
import type { BtfFuncProto } from '../../btf/types.js'
import { contextOf } from '../contexts.js'
import { globalParameters, globalSignature, passedNumber } from '../global-functions.js'
import { passedReference } from '../kfuncs.js'
import type { FunctionCompiler } from '../lower.js'
import type { ModuleProgram } from '../module.js'
import { nearest } from '../nearest.js'
import { edgesOf } from '../packet-edges.js'
import type { ast } from '../syntax.js'
import { isOlder } from '../target.js'
import { describe, integerOf, u32, u64 } from '../types.js'
import { type ContextValue, type KernelPointerValue, owedOf, type Scope, type Value } from '../values.js'
import { hooks } from './kinds.js'
import { argumentRegister, argumentRegisters, resultRegister, systemCallArgument } from './registers.js'
import { opsParameter, opsPointer, opsPrototype, opsRecord } from './struct-ops.js'
import { mostProbeArguments, probeArgument } from './usdt.js'

/** The section of a program. */
export function sectionOf({ hook, target, ops }: ModuleProgram): string {
  const section = ops?.sleeps ? 'struct_ops.s' : hooks[hook]!.section
  return target === undefined ? section : `${section}/${target.name}`
}

/** The names of a program's parameters, with the values that they have when it begins. */
export function parametersOf(compiler: FunctionCompiler, program: ModuleProgram): Scope {
  const { source, target } = compiler
  const [what, since] = program.ops?.sleeps
    ? ['functions of structOps that may sleep', '6.3']
    : [`${program.hook} programs`, hooks[program.hook]!.since]
  if (target.oldestKernel !== undefined && isOlder(target.oldestKernel, since)) {
    source.fail(
      program.node,
      `${what} came with Linux ${since}, and this one has to load into ${target.oldestKernel}`,
    )
  }
  expectPlace(compiler, program)
  if (program.hook === 'freplace')
    return globalParameters(compiler, globalSignature(compiler.module, program.function))
  compiler.context = compiler.newReg()
  compiler.push({ op: 'param', d: compiler.context, index: 0 })
  const passed = passedTo(compiler, program)
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
    const value = argument.value(parameter)
    const isNullable = 'nullable' in value && value.nullable === true
    const state = isNullable ? 'maybe' : owedOf(value) ? 'present' : undefined
    scope.set(parameter.name, { value, mutable: false, ...(state && { state }) })
  }
  return scope
}

/** Refuses probes of programs that do not name the file. */
function expectPlace({ source }: FunctionCompiler, { hook, target }: ModuleProgram): void {
  if (target === undefined) return
  const parts = target.name.split(':').length
  if (/^usdt/.test(hook) && parts < 3)
    source.fail(
      target.node,
      'a USDT probe is named by its file, its provider and its name',
      "Write '/usr/bin/node:node:gc__start'.",
    )
  if (/^u(ret)?probe/.test(hook) && parts < 2)
    source.fail(
      target.node,
      'a function of a program is named with its file',
      target.name.includes('/')
        ? `Write '${target.name}:main'.`
        : `Write '/usr/bin/node:uv_run', or 'libc.so.6:${target.name}'.`,
    )
}

interface Passed {
  readonly name: string
  readonly value: (parameter: ast.Identifier) => Value
}

function passedTo(compiler: FunctionCompiler, program: ModuleProgram): readonly Passed[] {
  const { parameters, trusted, context } = hooks[program.hook]!
  const { kernel } = compiler
  const word = (i: number): number => {
    const d = compiler.newReg()
    compiler.push({ op: 'load', d, base: compiler.contextFor(program.node), offset: i * 8, size: 8 })
    return d
  }
  switch (parameters) {
    case 'what user space passes':
      return [{ name: 'ctx', value: (parameter) => passedContext(compiler, parameter) }]
    case 'packet':
      return [{ name: 'packet', value: () => contextOf(compiler, program.node, context!, edgesOf(context!)) }]
    case 'context':
      return [{ name: 'ctx', value: () => contextOf(compiler, program.node, context!, edgesOf(context!)) }]
    case 'iterator':
      return [{ name: 'ctx', value: () => iteratorOf(compiler, program) }]
    case 'tracepoint record':
      return [{ name: 'ctx', value: () => recordOf(compiler, program) }]
    case 'tracepoint arguments':
    case 'function arguments':
    case 'function arguments and result': {
      const list =
        parameters === 'tracepoint arguments' ? tracepoint(compiler, program) : argumentsOf(compiler, program)
      const own = list.params.map(({ name, typeId }, i) => ({
        name,
        value: () =>
          program.hook === 'rawTpWritable' && i === 0
            ? writable(compiler, program, typeId, word(i))
            : valueFrom(compiler, typeId, word(i), trusted, program.node),
      }))
      if (parameters !== 'function arguments and result') return own
      const result = {
        name: 'result',
        value: () => valueFrom(compiler, list.returnTypeId, word(own.length), trusted, program.node),
      }
      return [...own, result]
    }
    case 'function of a struct':
      return opsPrototype(kernel, compiler.source, program).params.map(({ name, typeId }, i) => ({
        name,
        value: () => {
          const shown = opsPointer(kernel, program, typeId)
          if (shown !== undefined)
            return { kind: 'kernel pointer', reg: word(i), record: shown, trusted: true }
          const value = valueFrom(compiler, typeId, word(i), true, program.node)
          if (value.kind !== 'kernel pointer') return value
          const { isReference, isNullable } = opsParameter(kernel, program, i)
          if (isReference) compiler.expectKernel('6.16', program.target!.node, `'${program.target!.name}'`)
          const owed = isReference ? passedReference(value.record) : undefined
          return {
            ...value,
            record: opsRecord(kernel, program.ops!.struct, value.record),
            ...(isNullable && { nullable: true }),
            ...(owed && { owed }),
          }
        },
      }))
    case 'registers': {
      const { params } = argumentsOf(compiler, program)
      return params.slice(0, argumentRegisters(compiler)).map(({ name, typeId }, i) => ({
        name,
        value: () => valueFrom(compiler, typeId, argumentRegister(compiler, program, i), false, program.node),
      }))
    }
    case 'registers of a call':
      return Array.from({ length: argumentRegisters(compiler) }, (_, i) => ({
        name: `argument ${i + 1}`,
        value: (parameter) => typed(compiler, argumentRegister(compiler, program, i), parameter),
      }))
    case 'system call arguments':
      return Array.from({ length: 6 }, (_, i) => ({
        name: `argument ${i + 1}`,
        value: (parameter) => typed(compiler, systemCallArgument(compiler, program, i), parameter),
      }))
    case 'probe arguments':
      return Array.from({ length: mostProbeArguments }, (_, i) => ({
        name: `argument ${i + 1}`,
        value: (parameter) => typed(compiler, probeArgument(compiler, i), parameter),
      }))
    case 'sample':
      return [{ name: 'sample', value: () => sampleOf(compiler, program) }]
    case 'function of a program':
      // These are not in the context: globalParameters() reads them.
      return []
    case 'result in a register':
      return [{ name: 'result', value: (parameter) => resultOf(compiler, program, parameter) }]
  }
}

/** The sample of an infrared receiver. */
function sampleOf(compiler: FunctionCompiler, { node }: ModuleProgram): Value {
  const d = compiler.newReg()
  compiler.push({ op: 'load', d, base: compiler.contextFor(node), offset: 0, size: 4 })
  return { kind: 'number', reg: d, type: u32 }
}

/**
 * The result of a kernel function has the function's type; that of other functions has the type that the parameter
 * declares.
 */
function resultOf(compiler: FunctionCompiler, program: ModuleProgram, parameter: ast.Identifier): Value {
  const reg = resultRegister(compiler, program)
  if (program.hook !== 'kretprobe') return typed(compiler, reg, parameter)
  return valueFrom(compiler, argumentsOf(compiler, program).returnTypeId, reg, false, parameter)
}

/** A number as the parameter declares it, or of 64 bits. */
function typed(compiler: FunctionCompiler, reg: number, parameter: ast.Identifier): Value {
  const annotation = parameter.typeAnnotation
  if (annotation?.type !== 'TSTypeAnnotation') return { kind: 'number', reg, type: u64 }
  const type = compiler.module.type(annotation.typeAnnotation)
  if (type.kind !== 'int')
    compiler.source.fail(
      annotation,
      'this argument is a number',
      type.kind === 'chars'
        ? 'A pointer to text is a user<char>.'
        : `A pointer to a ${describe(type)} is a user<${describe(type)}>.`,
    )
  return passedNumber(compiler, reg, type, parameter)
}

/** The struct that user space passes to `testRun`, and gets back. */
function passedContext(compiler: FunctionCompiler, parameter: ast.Identifier): Value {
  const annotation = parameter.typeAnnotation
  const type =
    annotation?.type === 'TSTypeAnnotation' ? compiler.module.type(annotation.typeAnnotation) : undefined
  if (type?.kind !== 'struct')
    return compiler.source.fail(
      parameter,
      'the struct that user space passes needs a type',
      `Write (${parameter.name}: Request) => ..., with an interface Request.`,
    )
  compiler.unit.shown.add(type.name)
  return { kind: 'place', base: compiler.contextFor(parameter), offset: 0, type, inContext: true }
}

/** What an iterator passes for each round: bpf_iter__task and its like. */
function iteratorOf(compiler: FunctionCompiler, program: ModuleProgram): ContextValue {
  const name = program.target!.name
  const { kernel, source } = compiler
  const record = kernel.record(`bpf_iter__${name}`)
  if (record !== undefined) return { kind: 'context', reg: compiler.contextFor(program.node), record }
  const names = [...kernel.btf.names('struct')].filter((one) => one.startsWith('bpf_iter__'))
  return source.fail(
    program.target!.node,
    `this kernel has no iterator '${name}'`,
    nearest(
      name,
      names.map((one) => one.slice(10)),
    ),
  )
}

/** The numbers and pointers that a tracepoint is called with, without its own first argument. */
function tracepoint({ kernel, source }: FunctionCompiler, { target }: ModuleProgram): BtfFuncProto {
  const found = kernel.tracepoint(target!.name)
  if (found !== undefined) return found
  return source.fail(
    target!.node,
    `this kernel has no tracepoint '${target!.name}'`,
    nearest(target!.name, kernel.tracepointNames()),
  )
}

function argumentsOf({ kernel, source }: FunctionCompiler, { hook, target }: ModuleProgram): BtfFuncProto {
  const { prefix = '' } = hooks[hook]!
  const found = kernel.function(`${prefix}${target!.name}`)
  if (found !== undefined) return found
  const what = prefix === '' ? 'function' : 'LSM hook'
  const names = [...kernel.btf.names('func')]
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
  return source.fail(
    target!.node,
    `this kernel has no ${what} '${target!.name}'`,
    nearest(target!.name, names),
  )
}

/** What a tracepoint records: the struct that its format describes. */
function recordOf(compiler: FunctionCompiler, { target }: ModuleProgram): KernelPointerValue {
  const { kernel, source } = compiler
  const [, event] = target!.name.split('/')
  if (event === undefined) {
    const name = target!.name.includes(':') ? target!.name.replace(':', '/') : 'sched/sched_switch'
    return source.fail(target!.node, 'a tracepoint is named with its category', `Write '${name}'.`)
  }
  const record = kernel.tracepointRecord(target!.name)
  if (record !== undefined)
    return { kind: 'kernel pointer', reg: compiler.contextFor(target!.node), record, trusted: true }
  const names = [...kernel.btf.names('struct')]
    .filter((one) => one.startsWith('trace_event_raw_'))
    .map((one) => one.slice(16))
  return source.fail(
    target!.node,
    `the kernel's types have no record of the tracepoint '${target!.name}'`,
    nearest(event, names) ??
      "Events that share a struct are found in tracefs, which has to be readable; rawTp and tpBtf have each tracepoint's arguments.",
  )
}

/** What the first argument points to. The kernel lets a program change it if the tracepoint is made for that. */
function writable(
  { kernel, source }: FunctionCompiler,
  { target }: ModuleProgram,
  typeId: number,
  reg: number,
): Value {
  const type = kernel.btf.resolve(typeId)
  const to = type.kind === 'ptr' ? kernel.btf.resolve(type.typeId) : undefined
  if (to?.kind === 'struct' || to?.kind === 'union')
    return { kind: 'kernel pointer', reg, record: to, trusted: true, isBuffer: true }
  if (to?.kind === 'int' && to.size <= 8)
    return { kind: 'place', base: reg, offset: 0, type: integerOf(to.size, to.signed && !to.bool) }
  return source.fail(
    target!.node,
    `the first argument of the tracepoint '${target!.name}' does not point to anything that can be written`,
    `Write rawTp('${target!.name}', ...).`,
  )
}

/** A number that the kernel passes has the bits of its own type; those above may be anything. */
function valueFrom(
  compiler: FunctionCompiler,
  typeId: number,
  reg: number,
  trusted: boolean,
  node: ast.Node,
): Value {
  const { btf } = compiler.kernel
  const type = btf.resolve(typeId)
  if (type.kind === 'ptr') {
    const record = btf.resolve(type.typeId)
    if (record.kind === 'struct' || record.kind === 'union')
      return { kind: 'kernel pointer', reg, record, trusted }
  }
  const number = { kind: 'number', reg, type: u64 } as const
  if (type.kind !== 'int' && type.kind !== 'enum' && type.kind !== 'enum64') return number
  if (type.size > 8) return number
  return compiler.convert(
    number,
    integerOf(type.size, type.signed && !(type.kind === 'int' && type.bool)),
    node,
    true,
  )
}
