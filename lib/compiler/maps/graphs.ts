// Objects that programs allocate, and the lists and trees of them in the values of maps.
import * as c from '../../asm/c-types.js'
import type { ExpressionCompiler } from '../expressions.js'
import { expectLicense } from '../helpers/allowed.js'
import type { Argument, Reg } from '../ir.js'
import { nearest } from '../nearest.js'
import type { ast } from '../syntax.js'
import { type Contains, cTypeOf, describe, type StructType, sizeOf } from '../types.js'
import {
  describeValue,
  markGivenBack,
  type Owed,
  type PlaceValue,
  type PointerValue,
  type Scope,
  type Value,
} from '../values.js'
import { endLent, expectNoLock, isOpaque, lockHeld } from './opaque.js'

const anything = c.pointer(c.voidType)
/** libbpf compares the prototypes with the kernel's, in which these are structs. */
const pointerTo = (name: string, words: number): c.CType =>
  c.pointer(c.struct(name, { __opaque: c.array(c.u64, words) }))
const [head, node] = [pointerTo('bpf_list_head', 2), pointerTo('bpf_list_node', 3)]
const [root, branch] = [pointerTo('bpf_rb_root', 2), pointerTo('bpf_rb_node', 4)]
const less = c.pointer(c.prototype(c.bool, { a: branch, b: branch }))
const hidden = { meta__ign: anything, off: c.u64 }

/** The kernel's functions, which are alike since Linux 6.6. */
const prototypes = {
  bpf_obj_new_impl: c.prototype(anything, { local_type_id__k: c.u64, meta__ign: anything }),
  bpf_obj_drop_impl: c.prototype(c.voidType, { p__alloc: anything, meta__ign: anything }),
  bpf_list_push_front_impl: c.prototype(c.s32, { head, node, ...hidden }),
  bpf_list_push_back_impl: c.prototype(c.s32, { head, node, ...hidden }),
  bpf_list_pop_front: c.prototype(node, { head }),
  bpf_list_pop_back: c.prototype(node, { head }),
  bpf_rbtree_add_impl: c.prototype(c.s32, { root, node: branch, less, ...hidden }),
  bpf_rbtree_first: c.prototype(branch, { root }),
  bpf_rbtree_remove: c.prototype(branch, { root, node: branch }),
} as const

type Name = keyof typeof prototypes

function call(
  compiler: ExpressionCompiler,
  name: Name,
  at: ast.Node,
  what: string,
  args: readonly Argument[],
): Reg {
  compiler.expectKernel('6.6', at, what)
  expectLicense(compiler, at, what)
  if (compiler.kernel.function(name) === undefined)
    compiler.source.fail(at, `${what} needs Linux 6.6, and this kernel does not have it`)
  return compiler.callKfunc({ name, type: prototypes[name] }, args)
}

/** What a program owes for an object that it holds. */
export const owedObject = (withName: string): Owed => ({
  what: 'reference',
  still: 'held',
  release: 'bpf_obj_drop_impl',
  how: (object) => `Call free(${object}), or put it into a list or a tree.`,
  withName,
})

/** `allocate<Job>()`: an object whose members are 0, or null if there is no memory. */
export function allocate(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const given = node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params : []
  if (given.length !== 1 || node.arguments.length > 0)
    compiler.source.fail(
      node,
      'allocate needs the type of an object, and nothing else',
      'Write allocate<Job>().',
    )
  const type = compiler.module.type(given[0]!)
  if (type.kind !== 'struct' || isOpaque(type))
    return compiler.source.fail(
      given[0]!,
      'an object has the type of an interface',
      'Write interface Job { id: u32 }.',
    )
  expectNoLock(compiler, node, scope)
  compiler.unit.allocated.add(type.name)
  const id = compiler.newReg()
  compiler.push({ op: 'const', d: id, value: 0n, core: compiler.kernel.localType(cTypeOf(type)) })
  const reg = call(compiler, 'bpf_obj_new_impl', node, 'allocate', [{ reg: id }, { imm: 0 }])
  const done = compiler.newLabel()
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: reg, b: { imm: 0 }, to: done })
  clear(compiler, type, reg)
  compiler.label(done)
  return {
    kind: 'pointer',
    reg,
    type,
    shared: false,
    object: { at: 0 },
    owed: owedObject(`const object = allocate<${type.name}>()`),
  }
}

/** Sets the members to zero: the kernel initializes only those of its own types. */
function clear(compiler: ExpressionCompiler, type: StructType, base: Reg): void {
  for (const member of type.members)
    if (!isOpaque(member.type)) compiler.clear(base, member.offset, sizeOf(member.type))
}

/** `free(job)` */
export function free(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const [given, more] = node.arguments as readonly ast.Expression[]
  if (given === undefined || more !== undefined)
    compiler.source.fail(node, 'free has one argument', 'Write free(job).')
  expectNoLock(compiler, node, scope)
  const start = objectGiven(compiler, undefined, given!, 'free takes', scope)
  call(compiler, 'bpf_obj_drop_impl', node, 'free', [{ reg: start }, { imm: 0 }])
  return { kind: 'void' }
}

/** An object that a program holds, and no longer holds afterwards. */
function handedOver(
  compiler: ExpressionCompiler,
  struct: string | undefined,
  node: ast.Expression,
  what: string,
  scope: Scope,
): PointerValue {
  const { source } = compiler
  const variable = node.type === 'Identifier' ? scope.get(node.name) : undefined
  const value = variable?.value
  if (
    node.type !== 'Identifier' ||
    variable === undefined ||
    value?.kind !== 'pointer' ||
    value.object === undefined
  )
    return source.fail(
      node,
      `${what} an object that was allocated, by its name`,
      `Write const job = allocate<${struct ?? 'Job'}>(), and compare it with null.`,
    )
  if (struct !== undefined && describe(value.type) !== struct)
    return source.fail(node, `${what} objects of ${struct}, and '${node.name}' is a ${describe(value.type)}`)
  if (value.owed === undefined)
    return source.fail(
      node,
      `'${node.name}' is in a tree`,
      `Take it out first: const mine = tree.remove(${node.name}).`,
    )
  if (variable.state === 'given back')
    return source.fail(node, `'${node.name}' was freed before, or is in a list or a tree`)
  compiler.expectPresent(node, scope)
  markGivenBack(scope, node.name)
  return value
}

/** The address of an object that a program holds, and no longer holds afterwards. */
export function objectGiven(
  compiler: ExpressionCompiler,
  struct: string | undefined,
  node: ast.Expression,
  what: string,
  scope: Scope,
): Reg {
  const { reg, object } = handedOver(compiler, struct, node, what, scope)
  return compiler.addressReg({ base: reg, offset: -object!.at })
}

const lists: Readonly<Record<string, Name>> = {
  pushFront: 'bpf_list_push_front_impl',
  pushBack: 'bpf_list_push_back_impl',
  popFront: 'bpf_list_pop_front',
  popBack: 'bpf_list_pop_back',
}
const trees: Readonly<Record<string, Name>> = {
  add: 'bpf_rbtree_add_impl',
  first: 'bpf_rbtree_first',
  remove: 'bpf_rbtree_remove',
}

/** A call of a function of a list or a tree. */
export function graphMethods(
  compiler: ExpressionCompiler,
  place: PlaceValue,
  contains: Contains,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const { source, module } = compiler
  const { object, property } = node.callee as ast.MemberExpression
  const functions = contains.root === 'list' ? lists : trees
  if (!Object.hasOwn(functions, name)) {
    const names = Object.keys(functions)
    const hint = nearest(name, names) ?? `It has ${names.join(', ')}.`
    return source.fail(property, `a ${contains.root} has no function '${name}'`, hint)
  }
  if (place.origin === undefined)
    return source.fail(
      object,
      `a ${contains.root} has to be in the value of a map`,
      'Get it from the map: map.get(key).',
    )
  expectLocked(compiler, place, object, scope)
  const type = module.struct(contains.struct)!
  const { offset } = type.members.find((one) => one.name === contains.member)!
  const args = node.arguments as readonly ast.Expression[]
  const wanted = name === 'add' ? 2 : /^(push|remove)/.test(name) ? 1 : 0
  if (args.length !== wanted)
    return source.fail(node, `${name} has ${wanted} arguments, and ${args.length} are given`)
  const what = `a ${contains.root} of objects`
  const self = compiler.address(place)
  const kfunc = functions[name]!
  const found = (reg: Reg): PointerValue => ({
    kind: 'pointer',
    reg,
    type,
    shared: false,
    object: { at: offset },
  })
  const text = compiler.text(node.callee)
  switch (name) {
    case 'first': {
      const lent = found(call(compiler, kfunc, node, what, [self]))
      return { ...lent, object: { at: offset, isLent: true } }
    }
    case 'popFront':
    case 'popBack': {
      endLent(scope)
      return {
        ...found(call(compiler, kfunc, node, what, [self])),
        owed: owedObject(`const object = ${text}()`),
      }
    }
    case 'remove': {
      const lent = lentBy(compiler, type, args[0]!, scope)
      const reg = call(compiler, kfunc, node, what, [self, { reg: lent }])
      endLent(scope)
      return { ...found(reg), owed: owedObject(`const object = ${text}(${compiler.text(args[0]!)})`) }
    }
    default: {
      const callback = name === 'add' ? [comparison(compiler, type, offset, args[1]!, scope)] : []
      const given = handedOver(compiler, type.name, args[0]!, `${name} takes`, scope)
      const at = compiler.addressReg({ base: given.reg, offset: offset - given.object!.at })
      call(compiler, kfunc, node, what, [self, { reg: at }, ...callback, { imm: 0 }, { imm: 0 }])
      return { kind: 'void' }
    }
  }
}

/** The kernel wants the lock of the same value to be held. */
function expectLocked(compiler: ExpressionCompiler, place: PlaceValue, object: ast.Node, scope: Scope): void {
  const held = lockHeld(scope)
  if (held !== undefined && held.base === place.base) return
  const value = compiler.text(object).replace(/\.\w+$/, '')
  compiler.source.fail(
    object,
    held === undefined
      ? 'a list or a tree is only used while the lock next to it is held'
      : `the lock '${held.text}' is not that of the value which has '${compiler.text(object)}'`,
    `Write ${value}.lock.acquire() first, with a member lock: spinLock in its interface.`,
  )
}

/** The object that first() has returned. */
function lentBy(compiler: ExpressionCompiler, type: StructType, node: ast.Expression, scope: Scope): Reg {
  const value = compiler.expression(node, scope)
  if (value.kind !== 'pointer' || !value.object?.isLent || value.type !== type)
    return compiler.source.fail(
      node,
      `remove takes what first() of the tree has returned, and this is ${describeValue(value)}`,
      'Write const node = tree.first(), and compare it with null.',
    )
  compiler.expectPresent(node, scope)
  return value.reg
}

/** The function that tells which of two objects comes first. */
function comparison(
  compiler: ExpressionCompiler,
  type: StructType,
  at: number,
  fn: ast.Expression,
  scope: Scope,
): Argument {
  if (fn.type !== 'ArrowFunctionExpression')
    return compiler.source.fail(
      fn,
      'add needs a function that compares two objects',
      'Write (a, b) => a.id < b.id.',
    )
  const parameter = (reg: Reg) => {
    const object = { at, isLent: true } as const
    const value: PointerValue = { kind: 'pointer', reg, type, shared: false, object }
    return { value, state: 'present' as const }
  }
  return { callback: compiler.callback(fn, `${type.name}_less`, [parameter, parameter], scope) }
}
