// Functions that the kernel checks separately from their callers: those that other programs can replace, and the
// programs that replace them. Their arguments are known by their types alone, so the types have to be declared.
import * as c from '../asm/c-types.js'
import { contextOf } from './contexts.js'
import type { Reg } from './ir.js'
import type { KernelMemory } from './kernel-memory.js'
import type { FunctionNode, Module } from './module.js'
import { edgesOf } from './packet-edges.js'
import type { Located } from './source.js'
import { mostArguments } from './subprograms.js'
import type { ast } from './syntax.js'
import { cTypeOf, type IntType, u8, u64 } from './types.js'
import type { NumberValue, PacketEdges, Scope } from './values.js'

/** The kernel's structs for contexts, by the names of their types in the language. */
const contexts: Readonly<Record<string, string>> = {
  Frame: 'xdp_md',
  Packet: '__sk_buff',
  Message: 'sk_msg_md',
  Incoming: 'sk_reuseport_md',
  SocketLookup: 'bpf_sk_lookup',
  SocketOps: 'bpf_sock_ops',
  SocketAddress: 'bpf_sock_addr',
  SocketOption: 'bpf_sockopt',
  Sysctl: 'bpf_sysctl',
  DeviceAccess: 'bpf_cgroup_dev_ctx',
  PerfSample: 'bpf_perf_event_data',
  NetfilterContext: 'bpf_nf_ctx',
}

/** A number, or the context of the program that calls the function. */
export interface GlobalParameter {
  readonly name: string
  readonly node: ast.Identifier
  readonly type:
    | IntType
    | { readonly kind: 'context'; readonly struct: string; readonly packet?: PacketEdges }
}

export interface GlobalSignature {
  readonly parameters: readonly GlobalParameter[]
  readonly result: IntType
}

/** The types of a function, which the kernel knows from the object. */
export function globalSignature(module: Module, fn: FunctionNode): GlobalSignature {
  const { source } = module
  const extra = fn.params[mostArguments]
  if (extra !== undefined)
    source.fail(extra, `the kernel passes ${mostArguments} arguments to a function, and no more`)
  return { parameters: fn.params.map((one) => parameterOf(module, one)), result: resultOf(module, fn) }
}

function parameterOf(module: Module, node: ast.Node): GlobalParameter {
  const { source } = module
  if (node.type !== 'Identifier') return source.fail(node, 'a parameter is a name with a type')
  const { name } = node
  const annotation =
    node.typeAnnotation?.type === 'TSTypeAnnotation' ? node.typeAnnotation.typeAnnotation : undefined
  if (annotation === undefined)
    return source.fail(
      node,
      `the parameter '${name}' needs a type`,
      `Write ${name}: u32, or ${name}: Packet.`,
    )
  const named =
    annotation.type === 'TSTypeReference' && annotation.typeName.type === 'Identifier'
      ? annotation.typeName.name
      : ''
  const struct = module.hasType(named) ? undefined : contexts[named]
  if (struct !== undefined) {
    const packet = edgesOf(struct)
    return { name, node, type: { kind: 'context', struct, ...(packet && { packet }) } }
  }
  const type = module.type(annotation)
  if (type.kind === 'int') return { name, node, type }
  return source.fail(
    annotation,
    'this function gets numbers and the context of the program, whoever calls it',
    'Keep what is larger in a map or in a variable of the file.',
  )
}

function resultOf(module: Module, fn: FunctionNode): IntType {
  const { source } = module
  const annotation = fn.returnType?.type === 'TSTypeAnnotation' ? fn.returnType.typeAnnotation : undefined
  if (annotation === undefined)
    return source.fail(
      { start: fn.start ?? 0, end: fn.body.start ?? 0 },
      'what this function returns needs a type',
      'Write it after the parameters: (uid: u32): s32 => 0.',
    )
  const type = annotation.type === 'TSVoidKeyword' ? undefined : module.type(annotation)
  if (type?.kind === 'int') return type
  return source.fail(annotation, 'the kernel wants a number from this function', 'Return 0: (uid: u32): s32.')
}

/** The function as the object's BTF has it. The kernel compares the names of contexts, and not their members. */
export function globalPrototype({ parameters, result }: GlobalSignature): c.PrototypeType {
  const types = parameters.map(({ name, type }) => [
    name,
    type.kind === 'int' ? cTypeOf(type) : c.pointer(contextTypes[type.struct]!),
  ])
  return c.prototype(cTypeOf(result), Object.fromEntries(types) as Record<string, c.CType>)
}

const contextTypes: Readonly<Record<string, c.RecordType>> = Object.fromEntries(
  Object.values(contexts).map((name) => [name, { kind: 'struct', name, size: 0, align: 1, members: [] }]),
)

/** The parameters, with the values that they have when the function begins. */
export function globalParameters(compiler: KernelMemory, { parameters }: GlobalSignature): Scope {
  const scope: Scope = new Map()
  const regs = parameters.map((_, index) => {
    const reg = compiler.newReg()
    compiler.push({ op: 'param', d: reg, index })
    return reg
  })
  // Until all of them are read, nothing else may use their registers.
  for (const [index, { name, node, type }] of parameters.entries()) {
    const reg = regs[index]!
    if (type.kind === 'context') {
      compiler.context = reg
      scope.set(name, { value: contextOf(compiler, node, type.struct, type.packet), mutable: false })
    } else scope.set(name, { value: passedNumber(compiler, reg, type, node), mutable: true })
  }
  return scope
}

/** A number from a caller that may have left anything in the bits above it. */
export function passedNumber(compiler: KernelMemory, reg: Reg, type: IntType, node: Located): NumberValue {
  const value = { kind: 'number', reg, type: u64 } as const
  // A bool is in the lowest byte.
  const own = type.name === 'bool' ? compiler.convert(value, u8, node, true) : value
  return compiler.convert(own, type, node, true) as NumberValue
}
