// Maps whose types are not written down have those of the first value that a program puts into them.
import type { ExpressionCompiler } from './expressions.js'
import { mapKinds } from './maps/kinds.js'
import type { Module, ModuleMap, ModuleProgram } from './module.js'
import type { ast } from './syntax.js'
import { integerOf, integers, type StructType, structOf, type Type } from './types.js'
import { describeValue, type Scope } from './values.js'

/** Bytes of a text whose length nothing says. */
const textLength = 128

/** What reads text, and the bytes that it has room for. */
const texts: Readonly<Record<string, number>> = {
  'bpf.getCurrentComm': 16,
  'bpf.probeReadUserStr': textLength,
  'bpf.probeReadKernelStr': textLength,
}

/** A program reads a map before any of those that were looked at puts something into it. */
class NotInferredYet extends Error {}

/** Compiles the programs for nothing but the types of the values that they put into maps. */
export function inferMaps(module: Module, compile: (program: ModuleProgram) => void): void {
  const untyped = (): ModuleMap[] => [...module.maps.values()].filter(({ isInferred }) => isInferred)
  for (let left = untyped(); left.length > 0; left = untyped()) {
    for (const program of module.programs) {
      try {
        compile(program)
      } catch (error) {
        if (!(error instanceof NotInferredYet)) throw error
      }
    }
    if (untyped().length < left.length) continue
    const { node, name, kind } = left[0]!
    module.source.fail(
      node,
      `no program puts anything into '${name}', so its types are not known`,
      `Write them: ${kind}<${kind === 'ringbuf' ? 'Event' : 'u32, u64'}>(...).`,
    )
  }
}

/** The map with its types, which follow from what is put into it. */
export function typed(
  compiler: ExpressionCompiler,
  map: ModuleMap,
  name: string,
  args: readonly ast.Expression[],
  scope: Scope,
): ModuleMap {
  return map.isInferred ? inferTypes(compiler, map, name, args, scope) : map
}

/** Gives a map its types, by what is put into it. @throws NotInferredYet for a call that puts nothing into it */
function inferTypes(
  compiler: ExpressionCompiler,
  map: ModuleMap,
  name: string,
  [first, second]: readonly ast.Expression[],
  scope: Scope,
): ModuleMap {
  const typeOf = (node: ast.Expression, suffix: string): Type =>
    typeOfValue(compiler, node, `${map.name}_${suffix}`, scope)
  let found: Partial<ModuleMap>
  if (mapKinds[map.kind]!.parameters === 'record') {
    if (name !== 'emit') throw new NotInferredYet()
    if (first?.type !== 'ObjectExpression')
      compiler.source.fail(first!, 'emit needs the members of the record: { pid: 1 }')
    found = { records: [typeOf(first, 'event') as StructType] }
  } else {
    const value = map.value ?? (name === 'add' ? integers.u64! : undefined)
    if (value === undefined && name !== 'set') throw new NotInferredYet()
    found = { key: map.key ?? typeOf(first!, 'key'), value: value ?? typeOf(second!, 'value') }
  }
  const result = { ...map, ...found, isInferred: false }
  compiler.module.maps.set(map.name, result)
  return result
}

function typeOfValue(compiler: ExpressionCompiler, node: ast.Expression, name: string, scope: Scope): Type {
  if (node.type === 'ObjectExpression') {
    const members = node.properties.map((property) => {
      if (property.type !== 'ObjectProperty' || property.key.type !== 'Identifier')
        compiler.source.fail(property, 'members are written as name: value')
      const key = property.key.name
      return {
        name: key,
        type: typeOfValue(compiler, property.value as ast.Expression, `${name}_${key}`, scope),
      }
    })
    if (members.length === 0) compiler.source.fail(node, 'a struct has at least one member')
    return structOf(name, members)
  }
  if (node.type === 'StringLiteral') {
    return { kind: 'chars', length: Math.ceil((Buffer.byteLength(node.value) + 1) / 8) * 8 }
  }
  if (node.type === 'CallExpression') {
    const { start, end } = node.callee
    const length = texts[compiler.source.text.slice(start!, end!)]
    if (length !== undefined) return { kind: 'chars', length }
  }
  const value = compiler.expression(node, scope)
  switch (value.kind) {
    case 'number':
      return value.type
    case 'constant':
      return value.type ?? integerOf(8, value.value < 0n)
    case 'place':
      return value.type
    case 'kernel pointer':
      return integers.u64!
    case 'kernel text':
      return { kind: 'chars', length: textLength }
    case 'kernel place': {
      const type = compiler.kernel.btf.resolve(value.path.typeId)
      if (type.kind === 'array') {
        const of = compiler.kernel.btf.resolve(type.typeId)
        if (of.kind === 'int' && of.size === 1 && type.length > 0)
          return { kind: 'chars', length: type.length }
      }
      if (type.kind === 'int' || type.kind === 'enum' || type.kind === 'enum64')
        return integerOf(type.size, type.signed && !(type.kind === 'int' && type.bool))
      if (type.kind === 'ptr') return integers.u64!
    }
  }
  return compiler.source.fail(node, `${describeValue(value)} cannot be put into a map as it is`)
}
