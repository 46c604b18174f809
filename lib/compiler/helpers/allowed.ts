// Which helpers a program may call: by its hook, its license and the oldest kernel that it has to load into.
import { helperNames } from '../../asm/helper-names.js'
import { maySleep } from '../hooks/kinds.js'
import type { Operation } from '../ir.js'
import type { Module, ModuleProgram } from '../module.js'
import type { Located } from '../source.js'
import { isOlder, type Target } from '../target.js'
import { sinceOf } from './since.js'
import { callable, gplOnly } from './table.js'

/** '1-3 7' as 1, 2, 3, 7 */
function numbersIn(ranges: string): Set<number> {
  const found = new Set<number>()
  for (const range of ranges.split(' ')) {
    const [from, to = from] = range.split('-').map(Number)
    for (let i = from!; i <= to!; i++) found.add(i)
  }
  return found
}

const sets = new Map<string, Set<number>>()

function setOf(key: string, ranges: string): Set<number> {
  const set = sets.get(key) ?? numbersIn(ranges)
  sets.set(key, set)
  return set
}

/** The hook that was tested in place of this one: the kernel allows both the same. */
function askedFor(hook: string): string {
  if (/^(k|u)(ret)?(probe|syscall)|^usdt/.test(hook)) return 'uprobe'
  if (hook === 'iterSleepable') return 'iter'
  if (/^(tc|netkit)/.test(hook)) return 'tcIngress'
  if (/^xdp/.test(hook)) return 'xdp'
  if (hook === 'cgroupEgress') return 'cgroupIngress'
  if (/^skSkb/.test(hook)) return 'skSkbVerdict'
  if (hook === 'skReuseportMigrate') return 'skReuseport'
  return hook.replace(/(6|Unix)$/, '4').replace('Getsockname', 'Getpeername')
}

function callableBy(hook: string): Set<number> | undefined {
  const key = askedFor(hook)
  const ranges = callable[key]
  return ranges === undefined ? undefined : setOf(key, ranges)
}

/** The hooks whose programs may call a helper, of those that were tested. */
function callersOf(number: number): string[] {
  return Object.keys(callable).filter((hook) => callableBy(hook)!.has(number))
}

/** Helpers that wait for memory or files. */
const sleeping: ReadonlySet<string> = new Set([
  'copy_from_user',
  'copy_from_user_task',
  'ima_inode_hash',
  'ima_file_hash',
])

/** Whether a helper may sleep, by its number. */
export const isSleeping = (number: number): boolean => sleeping.has(helperNames[number]!)

const compatible = new Set([
  'GPL',
  'GPL v2',
  'GPL and additional rights',
  'Dual BSD/GPL',
  'Dual MIT/GPL',
  'Dual MPL/GPL',
])

interface Program {
  readonly module: Module
  readonly program: ModuleProgram
  readonly target: Target
}

/** Whether the kernel requires a license that is compatible with the GPL. */
export const isGplOnly = (number: number): boolean => setOf('GPL', gplOnly).has(number)

/** Refuses what the kernel reserves for programs with a license that is compatible with the GPL. */
export function expectLicense(
  { module: { source, license } }: Pick<Program, 'module'>,
  node: Located,
  what: string,
): void {
  if (compatible.has(license ?? '')) return
  source.fail(
    node,
    `${what} is only for programs with a license that is compatible with the GPL`,
    license === undefined
      ? "Write export const license = 'GPL'."
      : `The kernel knows these: ${[...compatible].join(', ')}.`,
  )
}

/** Refuses a helper that the program may not call. @param what - how the program calls it */
export function expectAllowed(
  { module, program, target }: Program,
  number: number,
  node: Located,
  what: string,
): void {
  const { source } = module
  const { hook } = program
  const callers = callersOf(number)
  // If no hook had the helper, whether it exists depends on how the kernel was built.
  if (callers.length > 0 && callableBy(hook)?.has(number) === false) {
    const some = callers.slice(0, 4).join(', ')
    source.fail(
      node,
      `${hook} programs cannot call ${what}`,
      callers.length > 4 ? `Among others, these can: ${some}.` : `It is for ${some}.`,
    )
  }
  if (isSleeping(number) && !maySleep(program)) {
    source.fail(
      node,
      `${what} may sleep, and ${hook} programs may not`,
      helperNames[number]!.startsWith('copy_from_user')
        ? 'Write bpf.probeReadUser, or a program that may sleep: fentrySleepable, uprobeSleepable, ....'
        : 'Programs that may sleep are made by lsmSleepable and the like.',
    )
  }
  if (isGplOnly(number)) expectLicense({ module }, node, what)
  const since = sinceOf(number)
  const { oldestKernel } = target
  if (oldestKernel !== undefined && isOlder(oldestKernel, since))
    source.fail(node, `${what} came with Linux ${since}, and the program has to load into ${oldestKernel}`)
}

/** A function of the kernel, or what the compiler uses it for in a program. */
const nameOf = (kfunc: string): string =>
  kfunc.startsWith('bpf_iter_num_') ? 'a loop whose rounds the kernel counts' : `kfunc.${kfunc}`

/**
 * Refuses every helper and kernel function that the program may not call, also those that the compiler calls for
 * something else, such as reads of kernel memory.
 */
export function expectAllAllowed(program: Program, operations: readonly Operation[]): void {
  for (const operation of operations) {
    if (operation.op !== 'call' || 'function' in operation.callee) continue
    const { at, callee } = operation
    const node = { start: at, end: at + 1 }
    if ('helper' in callee) expectAllowed(program, callee.helper, node, `bpf_${helperNames[callee.helper]}`)
    else expectLicense(program, node, nameOf(callee.kfunc))
  }
}
