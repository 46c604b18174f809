// Functions of the file that are not inlined, and what represents them in the object.
import * as c from '../asm/c-types.js'
import type { Instruction } from '../asm/instruction.js'
import type { Builder } from './builder.js'
import type { Argument, Operation, Reg } from './ir.js'
import type { FunctionNode } from './module.js'
import { type ast, eachChild } from './syntax.js'
import { cTypeOf, describe, type IntType } from './types.js'
import { alignmentOf, owedOf, type PlaceValue, type PointerValue, type Scope, type Value } from './values.js'

/** A function as it was compiled for one combination of argument kinds. */
export interface CompiledFunction {
  readonly name: string
  readonly type: c.PrototypeType
  readonly operations: readonly Operation[]
  readonly instructions: readonly Instruction[]
  /** Static by default. */
  readonly linkage?: 'global'
  /** Bytes of stack, with those of the functions that it calls. */
  readonly stack: number
  /** The state of the arguments that have to be released, when it returns. */
  readonly after: Scope
  /** Its name in the source. */
  readonly source: string
}

/** A smaller function is inlined, however many calls there are. */
const smallest = 40

/** Registers for arguments. */
export const mostArguments = 5

/** How much code a function is, in nodes of its syntax tree. */
function sizeOf(node: ast.Node): number {
  let size = 1
  eachChild(node, (child, key) => {
    if (key !== 'typeAnnotation') size += sizeOf(child)
  })
  return size
}

/** Whether a function is large and called from more than one place. */
export function isSubprogram(fn: FunctionNode, calls: number): boolean {
  return calls > 1 && sizeOf(fn.body) >= smallest
}

/** How often each name is called in a file. */
export function countCalls(nodes: readonly ast.Node[]): Map<string, number> {
  const counts = new Map<string, number>()
  const visit = (node: ast.Node): void => {
    if (node.type === 'CallExpression' && node.callee.type === 'Identifier')
      counts.set(node.callee.name, (counts.get(node.callee.name) ?? 0) + 1)
    eachChild(node, visit)
  }
  nodes.forEach(visit)
  return counts
}

/** What an argument is, apart from its register: functions are compiled once for each combination. */
export function kindOf(value: Value): string {
  switch (value.kind) {
    case 'number':
      return value.type.name
    case 'place':
      return `place ${describe(value.type)} ${value.shared === true} ${value.readonly ?? ''} ${value.inPacket !== undefined} ${value.inArena === true} ${value.isObject === true} ${alignmentOf(value)}`
    case 'pointer':
      return `pointer ${describe(value.type)} ${value.shared} ${value.inPacket !== undefined} ${value.inArena === true} ${value.align ?? 8} ${value.object?.at} ${owedKind(value)}`
    case 'kernel pointer':
      return `kernel ${value.record.id} ${value.trusted} ${value.isBuffer === true} ${value.underRcu === true} ${value.nullable === true} ${owedKind(value)}`
    case 'kernel place':
      return `${kindOf(value.pointer)} ${value.path.steps.join('.')}`
    case 'context':
      return `context ${value.record.id} ${value.offset ?? 0} ${value.packet?.data ?? ''} ${value.nullable === true} ${owedKind(value)}`
    case 'user place':
      return `user ${describe(value.type)} ${value.offset}`
    case 'map':
      return `map ${value.map.name}`
    case 'constants':
    case 'namespace':
      return value.name
    default:
      return value.kind
  }
}

const owedKind = (value: Value): string => {
  const owed = owedOf(value)
  return owed === undefined ? '' : `${owed.what} ${owed.map?.name ?? owed.release ?? ''}`
}

/** The register that a value is passed in, and the value when it is in another. Undefined for what cannot be passed. */
export function passing(
  compiler: Builder,
  value: Value,
): { reg: Reg | undefined; argument?: Argument; inside: (reg: Reg) => Value } | undefined {
  switch (value.kind) {
    case 'number':
    case 'kernel pointer':
    case 'context':
      return { reg: value.reg, inside: (reg) => ({ ...value, reg }) }
    case 'pointer':
      return { reg: value.reg, inside: (reg) => ({ ...value, reg, ...passed(value) }) }
    case 'place': {
      const { inContext, ...place } = value
      // Functions of the file may follow the pointer, while others may not.
      const argument = value.inArena ? { reg: compiler.addressReg(value) } : compiler.address(value)
      return {
        reg: compiler.argumentReg(argument),
        argument,
        inside: (base) => ({ ...place, base, offset: 0, align: alignmentOf(value), ...passed(value) }),
      }
    }
    case 'kernel place':
      return {
        reg: value.pointer.reg,
        inside: (reg) => ({ ...value, pointer: { ...value.pointer, reg } }),
      }
    case 'user place':
      return { reg: value.base, inside: (base) => ({ ...value, base }) }
    case 'map':
      return value.reg === undefined ? { reg: undefined, inside: () => value } : undefined
    case 'constants':
    case 'namespace':
      return { reg: undefined, inside: () => value }
    default:
      return undefined
  }
}

/** The packet that a pointer points into stays with the caller. */
const passed = ({ inPacket }: PlaceValue | PointerValue) =>
  inPacket === undefined ? {} : { inPacket: 'passed' as const }

/** The type of a parameter in the object's BTF. */
export const parameterType = (value: Value): c.CType =>
  value.kind === 'number' ? cTypeOf(value.type) : c.pointer(c.voidType)

export const functionType = (
  returns: IntType | undefined,
  parameters: Readonly<Record<string, c.CType>>,
): c.PrototypeType => c.prototype(returns ? cTypeOf(returns) : c.voidType, parameters)
