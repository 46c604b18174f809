// The kernel's iterators over its objects, each of which is three functions: for (const task of each.task()) { ... }.

import type { ExpressionCompiler } from './expressions.js'
import { expectLicense } from './helpers/allowed.js'
import { maySleep } from './hooks/kinds.js'
import type { Argument, Reg } from './ir.js'
import type { KernelTypes } from './kernel-types.js'
import { argumentsFor, callNamed } from './kfuncs.js'
import { expectNoLock } from './maps/opaque.js'
import { nearest } from './nearest.js'
import { own } from './own.js'
import { expectAwake, isUnderRcu } from './rcu.js'
import type { ast } from './syntax.js'
import { integerOf } from './types.js'
import type { Scope, Value } from './values.js'

/** What BTF does not say about an iterator. */
interface Facts {
  /** The version of Linux that introduced it. */
  readonly since?: string
  /** RCU protects its elements, so programs that sleep have to hold RCU. */
  readonly rcu?: true
  /** What it is made from has to stay alive, even when RCU is no longer held. */
  readonly keeps?: true
  /** Only programs that sleep may use it. */
  readonly sleeps?: true
  /** The hooks whose programs may use it although they do not sleep. */
  readonly hooks?: RegExp
  /** What to write for an argument that has no value of its own. */
  readonly needs?: { readonly [parameter: string]: string }
}

const facts: Readonly<Record<string, Facts>> = {
  task: { since: '6.7', rcu: true, keeps: true },
  css: {
    since: '6.7',
    rcu: true,
    keeps: true,
    needs: { flags: "enumValue('bpf_cgroup_iter_order', 'BPF_CGROUP_ITER_DESCENDANTS_PRE')" },
  },
  css_task: { since: '6.7', keeps: true, hooks: /^(lsm|iter)/ },
  task_vma: { since: '6.7' },
  bits: { since: '6.11', needs: { nr_words: 'how many numbers of 64 bits there are' } },
  scx_dsq: { since: '6.12', rcu: true },
  kmem_cache: { since: '6.13', sleeps: true },
  dmabuf: { since: '6.16', sleeps: true },
}

const functionOf = (name: string, what: 'new' | 'next' | 'destroy'): string => `bpf_iter_${name}_${what}`

/** The names of the iterators of a kernel. */
export function iteratorNames(kernel: KernelTypes): string[] {
  const found = [...(kernel.kfuncNames() ?? kernel.btf.names('func'))]
  return found.flatMap((one) => {
    const name = /^bpf_iter_(\w+)_new$/.exec(one)?.[1]
    const isWhole = name !== undefined && kernel.function(functionOf(name, 'next')) !== undefined
    return isWhole && name !== 'num' ? [name] : []
  })
}

/** Whether a parameter can be left out at the end: null or 0 then stands for it. */
export function isOptional(kernel: KernelTypes, name: string, parameter: string, typeId: number): boolean {
  if (facts[name]?.needs && Object.hasOwn(facts[name].needs, parameter)) return false
  const { kind } = kernel.btf.resolve(typeId)
  return kind === 'ptr' ? parameter.endsWith('__nullable') : kind === 'int'
}

/** An iterator that was made, for a loop. */
export interface KernelIterator {
  /** Calls the kernel for the next element. The register is 0 after the last one. */
  readonly next: () => Reg
  readonly element: (reg: Reg) => Value
  /** What is done wherever the loop is left. */
  readonly destroy: () => void
  /** RCU is held in the loop. */
  readonly underRcu: boolean
}

/** The call, if an expression is one such as `each.task()`. */
export function eachCall(node: ast.Expression, scope: Scope): ast.CallExpression | undefined {
  if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return undefined
  const { object } = node.callee
  return object.type === 'Identifier' && object.name === 'each' && !scope.has('each') ? node : undefined
}

/** Makes the iterator of `each.task()` and its like. */
export function openIterator(
  compiler: ExpressionCompiler,
  node: ast.CallExpression,
  scope: Scope,
): KernelIterator {
  const { kernel, source } = compiler
  const { property } = node.callee as ast.MemberExpression
  const name = property.type === 'Identifier' ? property.name : ''
  const called = `each.${name}`
  expectNoLock(compiler, node, scope)
  expectIterator(compiler, name, property, scope)
  const prototype = kernel.function(functionOf(name, 'new'))!
  kernel.named.iterators.add(name)
  const known = facts[name]
  const [self, ...params] = prototype.params
  const given = node.arguments as readonly ast.Expression[]
  const missing = params.find(
    (one, i) => i >= given.length && !isOptional(kernel, name, one.name, one.typeId),
  )
  if (given.length > params.length || missing !== undefined) {
    const needed = missing && known?.needs?.[missing.name]
    const names = params.map((one) => one.name.replace(/__\w+$/, '')).join(', ')
    source.fail(
      node,
      missing === undefined
        ? `${called} has ${params.length} arguments, and ${given.length} are given`
        : `${called} needs '${missing.name}'`,
      needed ? `It can be ${needed}.` : names && `Its arguments are ${names}.`,
    )
  }
  const locks = known?.rcu === true && maySleep(compiler.program) && !isUnderRcu(compiler, scope)
  if (locks) callNamed(compiler, 'bpf_rcu_read_lock', node, [])
  const frame: Argument = { frame: compiler.newSlot(sizeBehind(kernel, self!.typeId), node) }
  const args = params.flatMap((_, i): readonly Argument[] => {
    const argument = given[i]
    return argument === undefined
      ? [{ imm: 0 }]
      : argumentsFor(compiler, prototype, i + 1, argument, scope, known?.keeps)
  })
  callNamed(compiler, functionOf(name, 'new'), node, [frame, ...args])
  return {
    next: () => callNamed(compiler, functionOf(name, 'next'), node, [frame]),
    element: (reg) => elementOf(compiler, name, reg, node),
    destroy() {
      callNamed(compiler, functionOf(name, 'destroy'), node, [frame])
      if (locks) callNamed(compiler, 'bpf_rcu_read_unlock', node, [])
    },
    underRcu: locks,
  }
}

/** Refuses an iterator that the kernel does not have, or that the program may not use. */
function expectIterator(compiler: ExpressionCompiler, name: string, property: ast.Node, scope: Scope): void {
  const { kernel, source, program } = compiler
  const called = `each.${name}`
  const known: Facts = own(facts, name) ?? {}
  if (name === 'num')
    source.fail(property, 'numbers have a word of their own', 'Write for (const i of range(10)) { ... }.')
  if (known.since !== undefined) compiler.expectKernel(known.since, property, called)
  const names = iteratorNames(kernel)
  if (!names.includes(name)) {
    const since = known.since === undefined ? '' : `, which came with Linux ${known.since}`
    source.fail(
      property,
      `this kernel has no iterator '${name}'${since}`,
      nearest(name, names) ?? (names.length > 0 ? `It has ${names.join(', ')}.` : undefined),
    )
  }
  expectLicense(compiler, property, called)
  const sleeps = maySleep(program)
  const hint = 'Such programs are syscall, and those whose hooks end with Sleepable.'
  if (known.sleeps && !sleeps) source.fail(property, `only programs that may sleep can use ${called}`, hint)
  if (known.hooks !== undefined && !sleeps && !known.hooks.test(program.hook))
    source.fail(property, `${program.hook} programs cannot use ${called}`, `These can: iter, lsm. ${hint}`)
  expectAwake(compiler, called, property, scope, known.sleeps === true)
}

function sizeBehind({ btf }: KernelTypes, typeId: number): number {
  const type = btf.resolve(typeId)
  return type.kind === 'ptr' ? btf.sizeOf(type.typeId) : 8
}

/** What the kernel returns a pointer to: one of its structs, or a number. */
function elementOf(compiler: ExpressionCompiler, name: string, reg: Reg, node: ast.Node): Value {
  const { kernel } = compiler
  const returned = kernel.btf.resolve(kernel.function(functionOf(name, 'next'))!.returnTypeId)
  const to = returned.kind === 'ptr' ? kernel.btf.resolve(returned.typeId) : undefined
  if (to?.kind === 'struct' || to?.kind === 'union')
    return {
      kind: 'kernel pointer',
      reg,
      record: to,
      trusted: true,
      ...(facts[name]?.rcu && { underRcu: true }),
    }
  if (to?.kind !== 'int')
    return compiler.source.fail(node, `each.${name} has elements that programs cannot use`)
  const d = compiler.newReg()
  compiler.push({ op: 'load', d, base: reg, offset: 0, size: to.size })
  return compiler.loaded({ kind: 'number', reg: d, type: integerOf(to.size, to.signed) })
}
