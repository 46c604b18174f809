// Maps that hold something other than values: programs, interfaces, stacks, cgroups, sockets to choose from.
import type { HelperName } from '../../asm/helper-names.js'
import type { ExpressionCompiler } from '../expressions.js'
import type { Argument } from '../ir.js'
import type { ModuleMap } from '../module.js'
import type { ast } from '../syntax.js'
import { s64, u32, u64 } from '../types.js'
import type { Value } from '../values.js'
import { asInt, inMemory, type MapCall, type MapFunctions, mapArgument } from './memory.js'

export const programFunctions: MapFunctions = { call: { least: 1, call: tailCall } }

/** BPF_F_USER_STACK */
const ofUser = 1 << 8

export const stackFunctions: MapFunctions = {
  id: { least: 0, most: 1, call: (call) => stackId(call, 0) },
  userId: { least: 0, most: 1, call: (call) => stackId(call, ofUser) },
}

export const redirectFunctions: MapFunctions = { redirect: { least: 1, most: 2, call: redirect } }

export const reuseportFunctions: MapFunctions = { select: { least: 1, call: select } }

export const cgroupFunctions: MapFunctions = { contains: { least: 1, call: contains } }

/** Continues in another program, if there is one. */
function tailCall(call: MapCall): Value {
  const { compiler, map, node } = call
  expectSameKind(compiler, map.map, node)
  compiler.call('tail_call', [{ reg: compiler.contextFor(node) }, mapArgument(map), numberAt(call, 0)])
  return { kind: 'void' }
}

/** The kernel lets a program continue only in programs of its own kind. */
const kindOfProgram = (hook: string): string => {
  if (/^[ku](ret)?(probe|syscall)|^usdt/.test(hook)) return 'probe'
  if (/^(tc|netkit)/.test(hook)) return 'tc'
  if (/^xdp/.test(hook)) return hook.startsWith('xdpFrags') ? 'xdpFrags' : 'xdp'
  return hook.replace(/Sleepable$/, '')
}

function expectSameKind(compiler: ExpressionCompiler, map: ModuleMap, node: ast.Node): void {
  const { module, unit, program } = compiler
  const own = kindOfProgram(program.hook)
  for (const name of map.slots ?? []) {
    const slot = module.programs.find((one) => one.name === name)
    if (slot !== undefined && kindOfProgram(slot.hook) !== own)
      compiler.source.fail(
        node,
        `this ${program.hook} program cannot go on in '${name}', which is a ${slot.hook} program`,
        'All programs of an array, and those that call them, are of one kind.',
      )
  }
  const first = unit.tailCallers.get(map.name) ?? program.hook
  unit.tailCallers.set(map.name, first)
  if (kindOfProgram(first) !== own)
    compiler.source.fail(
      node,
      `'${map.name}' is used by ${first} programs, and not by ${program.hook} programs`,
      'All programs of an array, and those that call them, are of one kind. Declare another array.',
    )
}

/** A number for the stack, or a negative error. @param flags - added to those that are given */
function stackId(call: MapCall, flags: number): Value {
  const { compiler, map, args, node, scope } = call
  let own: Argument = { imm: flags }
  if (args[0] !== undefined) {
    const given = compiler.convert(compiler.numeric(args[0], scope), u64, args[0], true)
    const sum = compiler.arithmetic('|', given, { kind: 'constant', value: BigInt(flags) }, node)
    own = { reg: compiler.inReg(sum) }
  }
  return asInt(
    compiler,
    compiler.call('get_stackid', [{ reg: compiler.contextFor(node) }, mapArgument(map), own]),
  )
}

/** What the program has to return. @returns the second argument if there is nothing at this index of the map */
function redirect(call: MapCall): Value {
  const { compiler, map, args } = call
  const flags = args.length > 1 ? numberAt(call, 1) : { imm: 0 }
  const reg = compiler.call('redirect_map', [mapArgument(map), numberAt(call, 0), flags])
  return { kind: 'number', reg, type: s64 }
}

function select({ compiler, map, args, node, scope }: MapCall): Value {
  const key = inMemory(compiler, map.map.key!, args[0]!, scope)
  const own = [{ reg: compiler.contextFor(node) }, mapArgument(map), key, { imm: 0 }]
  return asInt(compiler, compiler.call('sk_select_reuseport', own))
}

/** Whether the thread, or the packet, is in a cgroup below the one at this index: 1, 0 or a negative error. */
function contains(call: MapCall): Value {
  const { compiler, map, node } = call
  const sees = /^(tc|netkit)/.test(compiler.program.hook)
  const helper: HelperName = sees ? 'skb_under_cgroup' : 'current_task_under_cgroup'
  const context = sees ? [{ reg: compiler.contextFor(node) }] : []
  return asInt(compiler, compiler.call(helper, [...context, mapArgument(map), numberAt(call, 0)]))
}

function numberAt({ compiler, args, scope }: MapCall, index: number): Argument {
  const node = args[index]!
  return { reg: compiler.inReg(compiler.convert(compiler.numeric(node, scope), u32, node)) }
}
