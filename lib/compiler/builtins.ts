// Words of the language that are called like functions: sizeof, exists, enumValue, cast, flavor, log2, register, user,
// print.
import { essentialName } from '../btf/essential-name.js'
import type { ExpressionCompiler } from './expressions.js'
import { flavorCore, flavorOf, isFlavor } from './flavors.js'
import { registerNamed } from './hooks/registers.js'
import { log2 } from './log2.js'
import { allocate, free } from './maps/graphs.js'
import { nearest } from './nearest.js'
import { print } from './print.js'
import type { ast } from './syntax.js'
import { bool, sizeOf, u32, u64 } from './types.js'
import { describeValue, type NumberValue, type Scope, type Value } from './values.js'

type Builtin = (compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope) => Value

/** A number that libbpf fills in when it loads the program. */
function asked(
  compiler: ExpressionCompiler,
  core: NonNullable<Parameters<ExpressionCompiler['push']>[0]['core']>,
  value: bigint,
  type = u32,
): NumberValue {
  const reg = compiler.newReg()
  compiler.push({ op: 'const', d: reg, value, core })
  return { kind: 'number', reg, type }
}

function only(
  compiler: ExpressionCompiler,
  node: ast.CallExpression,
  name: string,
  example: string,
): ast.Expression {
  const [argument, ...more] = node.arguments
  if (argument === undefined || more.length > 0)
    compiler.source.fail(node, `${name} has one argument`, `Write ${example}.`)
  return argument as ast.Expression
}

function sizeof(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const given = node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params : []
  if (given.length === 1 && node.arguments.length === 0)
    return { kind: 'constant', value: BigInt(sizeOf(compiler.module.type(given[0]!))) }
  const argument = only(compiler, node, 'sizeof', 'sizeof<Event>(), or sizeof(task.comm)')
  const value = compiler.expression(argument, scope)
  switch (value.kind) {
    case 'place':
    case 'pointer':
    case 'user place':
      return { kind: 'constant', value: BigInt(sizeOf(value.type)) }
    case 'number':
      return { kind: 'constant', value: BigInt(value.type.size) }
    case 'kernel pointer': {
      const { core, size } = compiler.kernel.sizeOfRecord(value.record)
      return asked(compiler, core, BigInt(size))
    }
    case 'kernel place': {
      const type = compiler.kernel.btf.resolve(value.path.typeId)
      if (type.kind === 'struct' || type.kind === 'union') {
        if (type.name === '') break
        const { core, size } = compiler.kernel.sizeOfRecord(type)
        return asked(compiler, core, BigInt(size))
      }
      if (type.kind === 'array' && compiler.kernel.isRecord(type.typeId)) break
      const size = BigInt(compiler.kernel.sizeInObject(value.path.typeId))
      return asked(compiler, compiler.kernel.ask(value.path, 'size'), size)
    }
    case 'flavor place':
      return asked(compiler, flavorCore(value, 'size'), BigInt(sizeOf(value.type)))
  }
  compiler.source.fail(argument, `${describeValue(value)} has no size that is known`)
}

/** Whether the kernel that the program is loaded into has a member, or a value of an enum. */
function exists(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const argument = only(compiler, node, 'exists', 'exists(task.comm)')
  if (argument.type === 'CallExpression' && compiler.text(argument.callee) === 'enumValue') {
    const { exists } = findEnumValue(compiler, argument)
    return asked(compiler, exists, 1n, bool)
  }
  const value = compiler.expression(argument, scope)
  if (value.kind === 'kernel place')
    return asked(compiler, compiler.kernel.ask(value.path, 'exists'), 1n, bool)
  if (value.kind === 'flavor place') return asked(compiler, flavorCore(value, 'exists'), 1n, bool)
  compiler.source.fail(
    argument,
    `${describeValue(value)} is always there`,
    "exists asks for a member of one of the kernel's structs, or for enumValue(...).",
  )
}

function findEnumValue(compiler: ExpressionCompiler, node: ast.CallExpression) {
  const [name, value] = node.arguments
  if (name?.type !== 'StringLiteral' || value?.type !== 'StringLiteral' || node.arguments.length > 2) {
    compiler.source.fail(
      node,
      'enumValue needs the names of an enum of the kernel and of its value',
      "Write enumValue('bpf_map_type', 'BPF_MAP_TYPE_HASH').",
    )
  }
  const found = compiler.kernel.enumValue(name.value, value.value)
  if (found !== undefined) return found
  const values = compiler.kernel.valueNames(name.value)
  if (values.length > 0) {
    const hint = nearest(value.value, values)
    compiler.source.fail(value, `enum ${name.value} has no value '${value.value}' in this kernel`, hint)
  }
  compiler.source.fail(
    name,
    `this kernel has no enum '${name.value}'`,
    nearest(name.value, compiler.kernel.enumNames()),
  )
}

function enumValue(compiler: ExpressionCompiler, node: ast.CallExpression): Value {
  const { value, core } = findEnumValue(compiler, node)
  return asked(compiler, core, BigInt.asUintN(64, value), value > 0xffff_ffffn || value < 0n ? u64 : u32)
}

/** `cast('tcp_sock', sk)` */
function cast(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const [name, pointer] = node.arguments
  if (name?.type !== 'StringLiteral' || pointer === undefined || node.arguments.length > 2) {
    compiler.source.fail(
      node,
      'cast needs the name of a struct of the kernel and an address',
      "Write cast('tcp_sock', sk).",
    )
  }
  const record = compiler.kernel.record(name.value)
  if (record === undefined) {
    const names = compiler.kernel.btf.names('struct')
    compiler.source.fail(name, `this kernel has no struct '${name.value}'`, nearest(name.value, [...names]))
  }
  const value = compiler.rvalue(pointer as ast.Expression, scope)
  // The verifier does not know the type that a program claims, so the memory is read with a helper.
  const reg =
    value.kind === 'kernel pointer'
      ? value.reg
      : compiler.inReg(compiler.convert(compiler.expectNumeric(value, pointer), u64, pointer))
  return { kind: 'kernel pointer', reg, record, trusted: false }
}

/** `flavor<task_struct___old>(task)` */
function flavor(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const [given] =
    node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params : []
  const [argument, ...more] = node.arguments
  if (given === undefined || argument === undefined || more.length > 0)
    compiler.source.fail(
      node,
      'flavor needs a type and a pointer to a struct of the kernel',
      'Write flavor<task_struct___old>(task).',
    )
  const value = compiler.rvalue(argument as ast.Expression, scope)
  if (value.kind !== 'kernel pointer')
    compiler.source.fail(argument, `${describeValue(value)} is not a pointer to a struct of the kernel`)
  const type = compiler.module.type(given)
  const { name } = value.record
  if (type.kind === 'struct' && isFlavor(type) && essentialName(type.name) === name)
    return flavorOf(value, type)
  compiler.source.fail(
    given,
    `'${compiler.text(given)}' is not a flavor of the kernel's struct ${name}`,
    `Such an interface is called ${name}___old, or has another word behind the three underscores.`,
  )
}

/** `user<Request>(address)` */
function user(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const given = node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params : []
  const [argument, ...more] = node.arguments
  if (given.length !== 1 || argument === undefined || more.length > 0)
    compiler.source.fail(
      node,
      'user needs the type of what is at an address, and the address',
      'Write user<Request>(address).',
    )
  const type = compiler.module.userPointer(given, node)
  const address = compiler.convert(compiler.numeric(argument as ast.Expression, scope), u64, argument, true)
  return { kind: 'number', reg: compiler.inReg(address), type }
}

/** `register('ip')` */
function register(compiler: ExpressionCompiler, node: ast.CallExpression): Value {
  const argument = only(compiler, node, 'register', "register('ip')")
  if (argument.type !== 'StringLiteral')
    compiler.source.fail(argument, 'register needs the name of a register', "Write register('ip').")
  return { kind: 'number', reg: registerNamed(compiler, argument.value, argument), type: u64 }
}

function strOutside(compiler: ExpressionCompiler, node: ast.CallExpression): never {
  compiler.source.fail(node, 'str(...) has to be assigned to a char<N>')
}

export const builtins: Readonly<Record<string, Builtin>> = {
  sizeof,
  exists,
  enumValue,
  cast,
  flavor,
  log2,
  register,
  user,
  print,
  str: strOutside,
  allocate,
  free,
}
