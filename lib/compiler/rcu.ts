// Programs that sleep mark the sections in which RCU protects what they look at, and must not sleep in them.
import type { ExpressionCompiler } from './expressions.js'
import { maySleep } from './hooks/kinds.js'
import type { ast } from './syntax.js'
import { type LockValue, markGivenBack, type Scope } from './values.js'

const [lock, unlock] = ['bpf_rcu_read_lock', 'bpf_rcu_read_unlock']

/** The name of the lock in a scope, if the program took it itself. */
const name = 'lock RCU'

/** kfuncs that may sleep. */
const sleepingFunctions = /^bpf_copy_from_user_/

const isHeld = (scope: Scope): boolean => scope.get(name)?.state === 'present'

/** Whether a program that sleeps holds RCU here. Other programs always do. */
export const isUnderRcu = ({ underRcu }: ExpressionCompiler, scope: Scope): boolean =>
  underRcu || isHeld(scope)

/** Refuses what may sleep where the program must not. @param called - the name after `bpf.`, `kfunc.` or `each.` */
export function expectAwake(
  compiler: ExpressionCompiler,
  called: string,
  node: ast.Node,
  scope: Scope,
  sleeps = sleepingFunctions.test(called),
): void {
  if (!sleeps || !isUnderRcu(compiler, scope)) return
  const hint = isHeld(scope)
    ? `Call kfunc.${unlock}() first.`
    : 'Store what you need from each round in a map, and do this after the loop.'
  compiler.source.fail(node, `'${called}' may sleep, which a program must not do while it holds RCU`, hint)
}

/** Updates the state of the lock when a program calls a kfunc. */
export function rcuCalled(
  compiler: ExpressionCompiler,
  called: string,
  node: ast.CallExpression,
  scope: Scope,
): void {
  if (called !== lock && called !== unlock) return
  if (called === unlock) {
    if (!isHeld(scope)) compiler.source.fail(node, 'RCU is not held here')
    markGivenBack(scope, name)
    return
  }
  if (isUnderRcu(compiler, scope))
    compiler.source.fail(
      node,
      'RCU is held here already',
      'A loop over objects that RCU protects already holds it.',
    )
  const owed = {
    what: 'lock',
    still: 'held',
    how: () => `Call kfunc.${unlock}() first.`,
    withName: `kfunc.${lock}()`,
  } as const
  const value: LockValue = { kind: 'lock', text: 'RCU', isRcu: true, owed }
  scope.set(name, { value, mutable: false, state: 'present' })
}

/** Refuses a call of another function where the kernel expects RCU to be released before any function returns. */
export function expectCallUnderRcu(compiler: ExpressionCompiler, node: ast.Node, scope: Scope): void {
  if (maySleep(compiler.program) && isUnderRcu(compiler, scope))
    compiler.expectKernel('6.9', node, 'a function of its own that is called while a program holds RCU')
}
