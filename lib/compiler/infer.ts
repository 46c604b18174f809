// Maps whose types are not declared take those of the first value that a program puts into them.
import type { ExpressionCompiler } from './expressions.js'
import { mapKinds } from './maps/kinds.js'
import type { Module, ModuleMap, ModuleProgram } from './module.js'
import { noSpread } from './not-in-kernel.js'
import { CompileError } from './source.js'
import type { ast } from './syntax.js'
import { integerOf, integers, type StructType, structOf, type Type } from './types.js'
import { describeValue, type Scope, type Value } from './values.js'

/** Bytes for text of unknown length. */
const textLength = 128

/** The functions that read text, and how many bytes they have room for. */
const texts: Readonly<Record<string, number>> = {
  'bpf.getCurrentComm': 16,
  'bpf.probeReadUserStr': textLength,
  'bpf.probeReadKernelStr': textLength,
}

/** A program reads a map before any program seen so far puts something into it. */
class NotInferredYet extends Error {}

/**
 * What is known of a program while the types of maps are found. Statements that need a type which is not known yet are
 * left out, and the statements in them are looked at one by one: a program may read a map before it writes to it.
 */
export class Inference {
  /** Something was left out, so what looks like a mistake need not be one. */
  isPartial = false

  /** Whether a statement is left out because of an error. */
  leavesOut(error: unknown): boolean {
    if (error instanceof NotInferredYet) this.isPartial = true
    return this.isPartial && (error instanceof NotInferredYet || error instanceof CompileError)
  }
}

/** The value of a name whose declaration was left out. */
export const unknownYet: Value = { kind: 'void' }

/** Refuses what is not known yet. */
export function expectKnown(value: Value): void {
  if (value === unknownYet) throw new NotInferredYet()
}

/** The names that a statement declares, and the statements in it. */
export function partsOf(node: ast.Statement): { names: string[]; statements: ast.Statement[] } {
  const names: string[] = []
  const statements: ast.Statement[] = []
  for (const child of Object.values(node) as unknown[]) {
    for (const one of (Array.isArray(child) ? child : [child]) as (ast.Node | null)[]) {
      if (one?.type === 'VariableDeclarator') names.push(...namesIn(one.id))
      else if (one?.type === 'VariableDeclaration')
        names.push(...one.declarations.flatMap(({ id }) => namesIn(id)))
      else if (one?.type === 'SwitchCase') statements.push(...one.consequent)
      else if (one && /(Statement|Declaration)$/.test(one.type)) statements.push(one as ast.Statement)
    }
  }
  return { names, statements }
}

function namesIn(node: ast.Node): string[] {
  if (node.type === 'Identifier') return [node.name]
  if (node.type !== 'ObjectPattern') return []
  return node.properties.flatMap((one) => (one.type === 'ObjectProperty' ? namesIn(one.value) : []))
}

/** Compiles the programs only to find the types of the values that they put into maps. */
export function inferMaps(
  module: Module,
  compile: (program: ModuleProgram, inference: Inference) => void,
): void {
  const untyped = (): ModuleMap[] => [...module.maps.values()].filter(({ isInferred }) => isInferred)
  for (let left = untyped(); left.length > 0; left = untyped()) {
    for (const program of module.programs) {
      const inference = new Inference()
      try {
        compile(program, inference)
      } catch (error) {
        if (!inference.leavesOut(error)) throw error
      }
    }
    if (untyped().length < left.length) continue
    const { node, name, kind } = left[0]!
    const isWritten = new RegExp(`\\b${name}\\.(set|setNew|setExisting|add|emit)\\(`).test(module.source.text)
    module.source.fail(
      node,
      isWritten
        ? `what programs put into '${name}' does not say what its types are`
        : `no program puts anything into '${name}', so its types are not known`,
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
    if (value === undefined && !name.startsWith('set')) throw new NotInferredYet()
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
        compiler.source.fail(
          property,
          ...(property.type === 'SpreadElement'
            ? noSpread
            : (['members are written as name: value'] as const)),
        )
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
    case 'user place':
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
