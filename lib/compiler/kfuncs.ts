// Functions of the kernel that programs may call by their names, with the prototypes of the kernel's BTF.
import * as c from '../asm/c-types.js'
import type { BtfFuncProto } from '../btf/types.js'
import type { ExpressionCompiler } from './expressions.js'
import { expectLicense } from './helpers/allowed.js'
import { kernelArgument } from './helpers/call.js'
import type { Argument, Reg } from './ir.js'
import type { KernelRecord, KernelTypes } from './kernel-types.js'
import { kptrReleases } from './maps/kptr-types.js'
import { expectNoLock } from './maps/opaque.js'
import { nearest } from './nearest.js'
import { inC, kfuncNotYet } from './not-yet.js'
import { own } from './own.js'
import { expectAwake, rcuCalled } from './rcu.js'
import type { ast } from './syntax.js'
import { integerOf, sizeOf } from './types.js'
import { markGivenBack, type Owed, type Scope, type Value } from './values.js'

/** Functions whose result has to be given back, and the function that takes it. BTF does not say it. */
const releaseOf: Readonly<Record<string, string>> = {
  bpf_task_acquire: 'bpf_task_release',
  bpf_task_from_pid: 'bpf_task_release',
  bpf_task_from_vpid: 'bpf_task_release',
  bpf_cgroup_acquire: 'bpf_cgroup_release',
  bpf_cgroup_ancestor: 'bpf_cgroup_release',
  bpf_cgroup_from_id: 'bpf_cgroup_release',
  bpf_task_get_cgroup1: 'bpf_cgroup_release',
  bpf_cpumask_create: 'bpf_cpumask_release',
  bpf_cpumask_acquire: 'bpf_cpumask_release',
  bpf_get_task_exe_file: 'bpf_put_file',
  bpf_lookup_user_key: 'bpf_key_put',
  bpf_lookup_system_key: 'bpf_key_put',
  bpf_skb_ct_lookup: 'bpf_ct_release',
  bpf_xdp_ct_lookup: 'bpf_ct_release',
  bpf_ct_insert_entry: 'bpf_ct_release',
  bpf_crypto_ctx_create: 'bpf_crypto_ctx_release',
  bpf_crypto_ctx_acquire: 'bpf_crypto_ctx_release',
}

/** What fills a dynptr, returns what is in one, or takes pages of an arena, is written in another way. */
const instead: Readonly<Record<string, string>> = {
  bpf_dynptr_from_skb: 'Write packet.dynptr().',
  bpf_dynptr_from_xdp: 'Write packet.dynptr().',
  bpf_dynptr_slice: 'Write dynptr.slice<T>(offset).',
  bpf_dynptr_slice_rdwr: 'Write dynptr.sliceRdwr<T>(offset).',
  bpf_dynptr_clone: 'Write dynptr.clone().',
  bpf_arena_alloc_pages: 'Write shared.alloc<T>(), on the arena.',
  bpf_arena_free_pages: 'Write shared.free(pointer), on the arena.',
}

/** Other functions that take the same references back. */
const alsoReleases: Readonly<Record<string, string>> = { bpf_qdisc_skb_drop: 'bpf_kfree_skb' }

const releasing = new Set([
  ...Object.values(releaseOf),
  ...Object.keys(alsoReleases),
  ...Object.values(alsoReleases),
])

/** What a program owes for a reference that it is called with, and that a map could keep. */
export function passedReference({ name }: KernelRecord): Owed | undefined {
  const release = kptrReleases[name]
  return release === undefined ? undefined : owedTo(release, 'const reference = ...')
}

export function callKfunc(
  compiler: ExpressionCompiler,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const { kernel } = compiler
  const { property } = node.callee as ast.MemberExpression
  expectNoLock(compiler, node, scope)
  const iterator = /^bpf_iter_(\w+)_(new|next|destroy)$/.exec(name)?.[1]
  if (iterator !== undefined)
    compiler.source.fail(
      property,
      'an iterator of the kernel is used by a loop, which destroys it however it is left',
      `Write for (const one of each.${iterator}(...)) { ... }.`,
    )
  const missing = kfuncNotYet(name)
  if (missing !== undefined) compiler.source.fail(property, `${missing} are not supported yet`, inC)
  const ofObjects = /^bpf_(obj|list|rbtree)_/.test(name)
  if (ofObjects)
    compiler.source.fail(
      property,
      `objects have words of their own for '${name}'`,
      'Write allocate<Job>(), free(job), and the functions of a list<Job> or a tree<Job> in the value of a map.',
    )
  const other = own(instead, name)
  if (other !== undefined)
    compiler.source.fail(
      property,
      `${name.startsWith('bpf_arena_') ? 'arenas' : 'dynptrs'} have a word of their own for '${name}'`,
      other,
    )
  const prototype = prototypeOf(compiler, name, property)
  compiler.expectKernel('5.13', property, `kfunc.${name}`)
  expectLicense(compiler, property, `kfunc.${name}`)
  kernel.named.kfuncs.add(name)
  expectAwake(compiler, name, property, scope)
  const given = [...(node.arguments as readonly ast.Expression[])]
  const isGiven = (i: number): boolean => !isSize(kernel, prototype, i) && !isContext(kernel, prototype, i)
  const wanted = prototype.params.filter((_, i) => isGiven(i))
  if (given.length !== wanted.length) {
    const names = wanted.map((one) => one.name).join(', ')
    compiler.source.fail(
      node,
      `${name} has ${wanted.length} arguments, and ${given.length} are given`,
      names && `They are ${names}.`,
    )
  }
  const first = given[0]
  const args = prototype.params.flatMap((_, i): Argument[] =>
    isContext(kernel, prototype, i)
      ? [{ reg: compiler.contextFor(node) }]
      : isSize(kernel, prototype, i)
        ? []
        : argumentsFor(compiler, prototype, i, given.shift()!, scope),
  )
  if (releasing.has(name)) giveBack(compiler, name, first!, scope)
  rcuCalled(compiler, name, node, scope)
  const reg = compiler.callKfunc({ name, type: typeOf(kernel, prototype) }, args)
  const type = kernel.btf.resolve(prototype.returnTypeId)
  switch (type.kind) {
    case 'void':
      return { kind: 'void' }
    case 'ptr': {
      const record = kernel.btf.resolve(type.typeId)
      if (record.kind === 'int')
        return { kind: 'pointer', reg, type: integerOf(record.size, record.signed), shared: false }
      if (record.kind !== 'struct' && record.kind !== 'union')
        return compiler.source.fail(node, `${name} returns a pointer that programs cannot use yet`)
      const owed = owedBy(name)
      return { kind: 'kernel pointer', reg, record, trusted: true, nullable: true, ...(owed && { owed }) }
    }
    case 'int':
    case 'enum':
    case 'enum64':
      return compiler.convert(
        { kind: 'number', reg, type: integerOf(8, type.signed) },
        integerOf(type.size, type.signed && !(type.kind === 'int' && type.bool)),
        node,
        true,
      )
    default:
      return compiler.source.fail(node, `${name} returns something that programs cannot use`)
  }
}

/** A function that the compiler calls by itself. */
export function callNamed(
  compiler: ExpressionCompiler,
  name: string,
  node: ast.Node,
  args: readonly Argument[],
): Reg {
  return compiler.callKfunc({ name, type: typeOf(compiler.kernel, prototypeOf(compiler, name, node)) }, args)
}

function prototypeOf({ kernel, source }: ExpressionCompiler, name: string, node: ast.Node): BtfFuncProto {
  const names = kernel.kfuncNames()
  const found = kernel.function(name)
  if (found !== undefined && (names === undefined || names.has(name))) return found
  return source.fail(
    node,
    found === undefined
      ? `this kernel has no function '${name}'`
      : `'${name}' is not one of the kernel's functions that programs may call`,
    nearest(name, names ?? [...kernel.btf.names('func')].filter((one) => one.startsWith('bpf_'))),
  )
}

/** Whether a parameter is the size of the memory in front of it: `data__sz` behind `data`. */
export function isSize({ btf }: KernelTypes, { params }: BtfFuncProto, index: number): boolean {
  return (
    index > 0 && /__szk?$/.test(params[index]!.name) && btf.resolve(params[index - 1]!.typeId).kind === 'ptr'
  )
}

/** Whether a parameter is the program's context. Newer kernels have it where older ones have none. */
export function isContext({ btf }: KernelTypes, { params }: BtfFuncProto, index: number): boolean {
  const { name, typeId } = params[index]!
  const type = btf.resolve(typeId)
  return name === 'ctx' && type.kind === 'ptr' && btf.resolve(type.typeId).kind === 'void'
}

/** What a program names for a parameter. @param keeps - it has to stay, also if RCU does not keep it any longer */
export function argumentsFor(
  compiler: ExpressionCompiler,
  prototype: BtfFuncProto,
  index: number,
  node: ast.Expression,
  scope: Scope,
  keeps = false,
): Argument[] {
  const { kernel } = compiler
  const { name, typeId } = prototype.params[index]!
  const type = kernel.btf.resolve(typeId)
  if (type.kind === 'int' || type.kind === 'enum' || type.kind === 'enum64') {
    const wanted = integerOf(type.size, type.signed && !(type.kind === 'int' && type.bool))
    return [{ reg: compiler.inReg(compiler.convert(compiler.numeric(node, scope), wanted, node)) }]
  }
  if (type.kind !== 'ptr')
    return compiler.source.fail(node, `'${name}' is something that programs cannot pass`)
  if (index + 1 < prototype.params.length && isSize(kernel, prototype, index + 1)) {
    const place = compiler.place(node, scope)
    return [compiler.address(place, node), { imm: sizeOf(place.type) }]
  }
  const to = kernel.btf.resolve(type.typeId)
  const isRecord = to.kind === 'struct' || to.kind === 'union'
  if (node.type === 'NullLiteral' && name.endsWith('__nullable')) return [{ imm: 0 }]
  const value = compiler.expression(node, scope)
  if (value.kind === 'dynptr' && isRecord && /^bpf_dynptr(_kern)?$/.test(to.name)) {
    compiler.expectUsable(value, node, scope)
    return [{ frame: value.frame }]
  }
  if (value.kind === 'place' || value.kind === 'pointer')
    return [compiler.address(compiler.place(node, scope), node)]
  // The kernel reads from it as from any address.
  if (name.endsWith('__ign') && value.kind === 'kernel pointer') return [{ reg: value.reg }]
  const wanted = { name: name.replace(/__\w+$/, ''), record: isRecord ? to.name : undefined, keeps }
  return [kernelArgument(compiler, wanted, node, scope)]
}

/** The prototype as it stands in the object, which libbpf compares with the kernel's. */
function typeOf(kernel: KernelTypes, { params, returnTypeId }: BtfFuncProto): c.PrototypeType {
  const typeIn = (typeId: number): c.CType => {
    const type = kernel.btf.resolve(typeId)
    if (type.kind === 'void') return c.voidType
    return type.kind === 'ptr' ? c.pointer(typeIn(type.typeId)) : kernel.cType(typeId)
  }
  return c.prototype(
    typeIn(returnTypeId),
    Object.fromEntries(params.map(({ name, typeId }, i) => [name || `p${i}`, typeIn(typeId)])),
  )
}

function owedBy(name: string): Owed | undefined {
  const release = releaseOf[name]
  return release === undefined ? undefined : owedTo(release, `const reference = kfunc.${name}(...)`)
}

/** A reference that a function takes back. */
export const owedTo = (release: string, withName: string): Owed => ({
  what: 'reference',
  still: 'held',
  release,
  how: (reference) => `Call kfunc.${release}(${reference}) first.`,
  withName,
})

function giveBack(compiler: ExpressionCompiler, name: string, node: ast.Expression, scope: Scope): void {
  const variable = node.type === 'Identifier' ? scope.get(node.name) : undefined
  const owed = variable?.value.kind === 'kernel pointer' ? variable.value.owed : undefined
  if (
    node.type !== 'Identifier' ||
    variable === undefined ||
    owed?.release !== (alsoReleases[name] ?? name)
  ) {
    compiler.source.fail(node, `${name} releases only references that have to be released with it`)
  }
  if (variable.state === 'given back') compiler.source.fail(node, `'${node.name}' was already released`)
  compiler.expectPresent(node, scope)
  markGivenBack(scope, node.name)
}
