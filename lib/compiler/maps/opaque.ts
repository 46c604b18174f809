// Members of map values that only the kernel changes: timers and spin locks. Kptrs are in kptrs.ts.
import type { ExpressionCompiler } from '../expressions.js'
import { nearest } from '../nearest.js'
import type { ast } from '../syntax.js'
import { type StructType, structOf, type Type, u32, u64 } from '../types.js'
import { type LockValue, markGivenBack, type PlaceValue, type Scope, type Value } from '../values.js'
import { asInt, isZero, mapArgument } from './memory.js'

/** The types by the words for them. */
export const opaqueTypes: Readonly<Record<string, StructType>> = {
  timer: structOf('bpf_timer', [{ name: '__opaque', type: { kind: 'array', of: u64, length: 2 } }]),
  spinLock: structOf('bpf_spin_lock', [{ name: 'val', type: u32 }]),
  listNode: structOf('bpf_list_node', [{ name: '__opaque', type: { kind: 'array', of: u64, length: 3 } }]),
  treeNode: structOf('bpf_rb_node', [{ name: '__opaque', type: { kind: 'array', of: u64, length: 4 } }]),
}

/** Whether programs give such a member no value. */
export const isOpaque = (type: Type): boolean =>
  type.kind === 'kptr' ||
  (type.kind === 'struct' && type.contains !== undefined) ||
  Object.values(opaqueTypes).includes(type as StructType)

/** Whether a type is a timer or a spin lock, or has one. */
function opaqueIn(type: Type | undefined): 'timer' | 'spinLock' | undefined {
  if (type === opaqueTypes.timer) return 'timer'
  if (type === opaqueTypes.spinLock) return 'spinLock'
  if (type?.kind === 'array') return opaqueIn(type.of)
  if (type?.kind !== 'struct') return undefined
  for (const member of type.members) {
    const found = opaqueIn(member.type)
    if (found !== undefined) return found
  }
  return undefined
}

const words = { timer: 'a timer', spinLock: 'a spin lock' } as const
/** The maps whose values may have one. */
const holders: Readonly<Record<keyof typeof words, readonly string[]>> = {
  timer: ['hash', 'lruHash', 'array'],
  spinLock: ['hash', 'array', 'taskStorage', 'socketStorage', 'inodeStorage', 'cgroupStorage'],
}

/** Why the values of such a map cannot be of a type. */
export function whyNoOpaque(kind: string, value: Type | undefined): string | undefined {
  const found = opaqueIn(value)
  if (found === undefined || holders[found].includes(kind)) return undefined
  return `${words[found]} can be in the values of ${holders[found].join(', ')}, and not of ${kind}`
}

/** Programs that can interrupt others anywhere. */
const interrupting = /^(rawTp|rawTpWritable|tracepoint|perfEvent|usdt\w*|[ku](ret)?(probe|syscall)\w*)$/

/** Refuses a map with timers or spin locks in programs that the kernel does not let use it. */
export function expectOpaqueAllowed(
  compiler: ExpressionCompiler,
  value: Type | undefined,
  node: ast.Node,
): void {
  const found = opaqueIn(value)
  if (found === undefined) return
  const { hook } = compiler.program
  if (!interrupting.test(hook) && !(found === 'spinLock' && hook === 'socketFilter')) return
  compiler.source.fail(
    node,
    `${hook} programs cannot use a map with ${words[found]}`,
    hook === 'socketFilter' ? undefined : 'Programs of tpBtf, fentry, packets and sockets can.',
  )
}

/** CLOCK_MONOTONIC */
const monotonic = 1

export function opaqueMethods(
  compiler: ExpressionCompiler,
  place: PlaceValue,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const isTimer = place.type === opaqueTypes.timer
  const names = isTimer ? ['start', 'cancel'] : ['acquire', 'release']
  const { object, property } = node.callee as ast.MemberExpression
  if (!names.includes(name)) {
    return compiler.source.fail(
      property,
      `a ${isTimer ? 'timer' : 'spin lock'} has no function '${name}'`,
      nearest(name, names) ?? `It has ${names.join(' and ')}.`,
    )
  }
  if (place.origin === undefined)
    return compiler.source.fail(
      object,
      `a ${isTimer ? 'timer' : 'spin lock'} has to be in the value of a map`,
      'Get it from the map: map.get(key).',
    )
  if (name === 'start') return start(compiler, place, node, scope)
  if (name === 'cancel') return asInt(compiler, compiler.call('timer_cancel', [compiler.address(place)]))
  lock(compiler, place, name === 'acquire', node, scope)
  return { kind: 'void' }
}

/** `value.timer.start(nanoseconds, (key, value) => { ... })`. Returns whether the timer runs. */
function start(
  compiler: ExpressionCompiler,
  place: PlaceValue,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const [after, fn] = node.arguments as readonly ast.Expression[]
  if (after === undefined || fn?.type !== 'ArrowFunctionExpression' || node.arguments.length > 2) {
    return compiler.source.fail(
      node,
      'start needs a time in nanoseconds, and the function that runs then',
      'Write timer.start(1_000_000_000, (key, value) => { ... }).',
    )
  }
  compiler.expectKernel('5.15', node, 'a timer')
  const origin = place.origin!
  const { key, value } = origin.map
  const nanoseconds = compiler.inReg(compiler.convert(compiler.numeric(after, scope), u64, after))
  const callback = compiler.callback(
    fn,
    `${origin.map.name}_timer`,
    [
      undefined,
      (reg) => ({ value: { kind: 'pointer', reg, type: key!, shared: false }, state: 'present' }),
      (reg) => ({ value: { kind: 'pointer', reg, type: value!, shared: true, origin }, state: 'present' }),
    ],
    scope,
  )
  const timer = compiler.address(place)
  // A timer that was started before has been set up already, which is no mistake.
  compiler.call('timer_init', [timer, mapArgument(origin), { imm: monotonic }])
  compiler.call('timer_set_callback', [timer, { callback }])
  return isZero(compiler, compiler.call('timer_start', [timer, { reg: nanoseconds }, { imm: 0 }]))
}

/** While a lock is held, the program must not call the kernel, nor end. */
function lock(
  compiler: ExpressionCompiler,
  place: PlaceValue,
  acquires: boolean,
  node: ast.CallExpression,
  scope: Scope,
): void {
  const { object } = node.callee as ast.MemberExpression
  const text = compiler.text(object)
  const held = heldLock(scope)
  if (acquires) {
    if (held !== undefined)
      compiler.source.fail(node, `the lock '${held}' is held already, and only one can be`)
    compiler.call('spin_lock', [compiler.address(place)])
    scope.set(`lock ${text}`, {
      value: { kind: 'lock', text, owed: owedBy(text), base: place.base },
      mutable: false,
      state: 'present',
    })
    return
  }
  endLent(scope)
  if (held !== text) compiler.source.fail(node, `the lock '${text}' is not held here`)
  compiler.call('spin_unlock', [compiler.address(place)])
  markGivenBack(scope, `lock ${text}`)
}

const owedBy = (text: string) =>
  ({
    what: 'lock',
    still: 'held',
    how: () => `Call ${text}.release() first.`,
    withName: `${text}.acquire()`,
  }) as const

/** Objects that a program has only looked at, and not taken out, may be gone from here on. */
export function endLent(scope: Scope): void {
  for (const [name, variable] of scope)
    if (variable.value.kind === 'pointer' && variable.value.object?.isLent)
      scope.set(name, { ...variable, state: 'stale' })
}

/** The spin lock that is held. */
export function lockHeld(scope: Scope): LockValue | undefined {
  for (const { value, state } of scope.values())
    if (value.kind === 'lock' && !value.isRcu && state === 'present') return value
  return undefined
}

/** The lock that is held, as it is written in the program. */
const heldLock = (scope: Scope): string | undefined => lockHeld(scope)?.text

/** Refuses a call of the kernel while a lock is held. */
export function expectNoLock(compiler: ExpressionCompiler, node: ast.Node, scope: Scope): void {
  const held = heldLock(scope)
  if (held === undefined) return
  compiler.source.fail(
    node,
    `the kernel cannot be called while the lock '${held}' is held`,
    `Call ${held}.release() first.`,
  )
}
