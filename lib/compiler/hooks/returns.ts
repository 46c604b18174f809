// What the number that a program returns means to the kernel. It refuses some numbers, and others would silently mean
// something else.
import type { Operation, Reg } from '../ir.js'
import type { KernelTypes } from '../kernel-types.js'
import { LWT, NF, SK, TC, XDP } from '../language.js'
import type { ModuleProgram } from '../module.js'
import type { Located, Source } from '../source.js'
import type { ast } from '../syntax.js'

interface Returns {
  readonly isKnown: (value: number) => boolean
  readonly inWords: string
  readonly hint?: string
  /** The name of its constants, such as XDP. */
  readonly name?: string
}

const orList = (words: readonly string[]): string =>
  words.length === 1 ? words[0]! : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`

const numbers = (values: readonly number[], hint?: string): Returns => ({
  isKnown: (value) => values.includes(value),
  inWords: orList(values.map(String)),
  ...(hint !== undefined && { hint }),
})

const constants = (name: string, values: Readonly<Record<string, number>>, hint?: string): Returns => ({
  ...numbers(Object.values(values), hint),
  name,
  inWords: orList(Object.keys(values).map((one) => `${name}.${one}`)),
})

const xdp = constants('XDP', XDP)
const sockets = constants('SK', SK)
const classifier = constants(
  'TC',
  TC,
  'tc programs, which attachTc() attaches, may return other actions, too.',
)
// TC_ACT_UNSPEC to TC_ACT_TRAP
const oldClassifier: Returns = {
  isKnown: (value) => value >= -1 && value <= 8,
  name: 'TC',
  inWords: orList([...Object.keys(TC).map((one) => `TC.${one}`), 'another action from -1 to 8']),
}
const { REDIRECT: _, ...tunnel } = LWT
const nothing = numbers([0], 'The kernel does not use the result of this program.')
const permission = numbers([0, 1], '1 allows it, and 0 refuses it.')
const always = numbers([1], 'This program cannot refuse anything.')
const session = numbers([0, 1], 'At the call, 1 leaves out the return.')
const errors: Returns = {
  isKnown: (value) => value <= 0 && value >= -4095,
  inWords: '0 or a negative error number',
  hint: '0 allows it, and -1 (EPERM) refuses it.',
}

const byHook: Readonly<Record<string, Returns>> = {
  tc: oldClassifier,
  tcIngress: classifier,
  tcEgress: classifier,
  netkitPrimary: constants('TC', TC),
  netkitPeer: constants('TC', TC),
  lwtIn: constants('LWT', tunnel),
  lwtOut: constants('LWT', tunnel),
  lwtXmit: constants('LWT', LWT),
  lwtSeg6local: constants('LWT', { OK: LWT.OK, DROP: LWT.DROP, REDIRECT: LWT.REDIRECT }),
  skLookup: sockets,
  skReuseport: sockets,
  skReuseportMigrate: sockets,
  skSkbVerdict: sockets,
  skSkb: sockets,
  skMsg: sockets,
  netfilter: constants('NF', NF),
  // BPF_OK, BPF_DROP and BPF_FLOW_DISSECTOR_CONTINUE
  flowDissector: numbers(
    [0, 2, 129],
    '0 says that it is done, 2 drops the packet, and 129 leaves it to the kernel.',
  ),
  fentry: nothing,
  fexit: nothing,
  fentrySleepable: nothing,
  fexitSleepable: nothing,
  fsession: nothing,
  fsessionSleepable: nothing,
  iter: numbers([0, 1], '1 asks for the same element again.'),
  iterSleepable: numbers([0, 1], '1 asks for the same element again.'),
  kprobeSession: session,
  uprobeSession: session,
  uprobeSessionSleepable: session,
  sockOps: numbers([0, 1]),
  // The upper bit lets a port below 1024 be bound without a capability, or says that the network is congested.
  cgroupBind4: numbers([0, 1, 2, 3], '1 allows it, and 0 refuses it.'),
  cgroupBind6: numbers([0, 1, 2, 3], '1 allows it, and 0 refuses it.'),
  cgroupEgress: numbers([0, 1, 2, 3], '1 lets the packet pass, and 0 drops it.'),
}

/** LSM hooks that return a bool, although BTF does not say so. */
const truthHooks = new Set(['audit_rule_known', 'inode_xattr_skipcap', 'xfrm_state_pol_flow_match'])

function returnsOf({ hook, target }: ModuleProgram, kernel: KernelTypes): Returns | undefined {
  if (/^lsm/.test(hook)) {
    const prototype = kernel.function(`bpf_lsm_${target!.name}`)
    const isVoid = prototype !== undefined && kernel.btf.resolve(prototype.returnTypeId).kind === 'void'
    if (hook === 'lsmCgroup') return isVoid ? always : permission
    if (isVoid) return undefined
    return truthHooks.has(target!.name) ? numbers([0, 1]) : errors
  }
  if (/^xdp/.test(hook)) return xdp
  if (/^cgroup(Recvmsg|Getpeername|Getsockname)/.test(hook)) return always
  return byHook[hook] ?? (/^cgroup/.test(hook) ? permission : undefined)
}

/** Refuses a number that means nothing to the hook of a program. */
export function expectReturned({ source, program, kernel }: Returning, value: bigint, node: Located): void {
  const returns = returnsOf(program, kernel)
  const number = Number(BigInt.asIntN(32, value))
  if (returns === undefined || returns.isKnown(number)) return
  source.fail(node, `${program.hook} programs return ${returns.inWords}, and this is ${number}`, returns.hint)
}

interface Returning {
  readonly source: Source
  readonly program: ModuleProgram
  readonly kernel: KernelTypes
}

/** What a program returns to let everything continue as it would without the program. */
export function passingOf({ program, kernel }: Returning): string {
  const name = returnsOf(program, kernel)?.name
  if (name !== undefined)
    return ({ NF: 'NF.ACCEPT', LWT: 'LWT.OK' } as Record<string, string>)[name] ?? `${name}.PASS`
  return /^(cgroup|lsmCgroup)/.test(program.hook) ? '1' : '0'
}

/** Whether a program that returns nothing, which means 0, lets everything continue. */
export const passesWithZero = (compiler: Returning): boolean =>
  ['0', 'TC.PASS', 'LWT.OK'].includes(passingOf(compiler))

/** Refuses the constants of another hook, whose numbers mean something else here: TC.DROP is XDP.PASS. */
export function expectOwnConstant({ source, program, kernel }: Returning, node: ast.Node): void {
  if (node.type !== 'MemberExpression' || node.object.type !== 'Identifier') return
  const { name } = node.object
  const returns = returnsOf(program, kernel)
  if (returns?.name === undefined || returns.name === name || !Object.hasOwn(actions, name)) return
  source.fail(node, `${program.hook} programs return ${returns.inWords}, not a constant of ${name}`)
}

/** What programs that decide about packets and sockets return. */
export const actions: Readonly<Record<string, Readonly<Record<string, number>>>> = { XDP, TC, SK, NF, LWT }

/** Refuses the numbers of expressions that turn out to be constant, such as the result of a function of the file. */
export function expectAllReturned(compiler: Returning, operations: readonly Operation[]): void {
  const labels = new Map(operations.flatMap((one, i) => (one.op === 'label' ? [[one.name, i]] : [])))
  for (const [i, operation] of operations.entries()) {
    if (operation.op !== 'const' || operation.core !== undefined) continue
    if (!isReturned(operations, labels, i + 1, operation.d)) continue
    expectReturned(compiler, operation.value, { start: operation.at, end: operation.at + 1 })
  }
}

/** Whether control continues straight to where a register is returned. */
function isReturned(
  operations: readonly Operation[],
  labels: ReadonlyMap<string, number>,
  start: number,
  reg: Reg,
): boolean {
  let own = reg
  for (let at = start, steps = 0; steps < operations.length; steps++) {
    const operation = operations[at++]
    if (operation === undefined || operation.op === 'branch' || operation.op === 'mayGoto') return false
    if (operation.op === 'return') return operation.value === own
    if (operation.op === 'jump') at = labels.get(operation.to)!
    else if (operation.op === 'move' && operation.s === own) own = operation.d
    else if ('d' in operation && operation.d === own) return false
  }
  return false
}
