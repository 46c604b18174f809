// Calls of maps' functions.

import type { ExpressionCompiler } from '../expressions.js'
import { maySleep } from '../hooks/kinds.js'
import { typed } from '../infer.js'
import { nearest } from '../nearest.js'
import { noSpread } from '../not-in-kernel.js'
import { own } from '../own.js'
import type { ast } from '../syntax.js'
import type { MapValue, Scope, Value } from '../values.js'
import { arenaFunctions } from './arena-pages.js'
import { arrayKinds, elementFunctions, perCpuFunctions } from './elements.js'
import { type Family, mapKinds } from './kinds.js'
import type { MapFunctions } from './memory.js'
import { nestedFunctions } from './nested.js'
import { expectNoLock, expectOpaqueAllowed } from './opaque.js'
import { filterFunctions, queueFunctions } from './queues.js'
import {
  cgroupFunctions,
  programFunctions,
  redirectFunctions,
  reuseportFunctions,
  stackFunctions,
} from './references.js'
import { perfFunctions, ringFunctions, userRingFunctions } from './rings.js'
import { socketFunctions } from './sockets.js'
import { storageFunctions } from './storage.js'

const functions: Readonly<Record<Family, MapFunctions>> = {
  elements: elementFunctions,
  'elements of each CPU': perCpuFunctions,
  ring: ringFunctions,
  'perf events': perfFunctions,
  'user ring': userRingFunctions,
  queue: queueFunctions,
  filter: filterFunctions,
  maps: nestedFunctions,
  storage: storageFunctions,
  programs: programFunctions,
  stacks: stackFunctions,
  redirect: redirectFunctions,
  sockets: socketFunctions,
  reuseport: reuseportFunctions,
  cgroups: cgroupFunctions,
  arena: arenaFunctions,
}

/** The methods of JavaScript's maps, and what to write here instead. */
const instead: Readonly<Record<string, string>> = {
  has: 'Write get(key) !== null.',
  clear: 'Delete the entries by their keys, or clear the map in Node.js.',
  keys: 'Write forEach, or read the map in Node.js.',
  values: 'Write forEach, or read the map in Node.js.',
  entries: 'Write forEach, or read the map in Node.js.',
}

export function mapMethods(
  compiler: ExpressionCompiler,
  given: MapValue,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const { kind } = given.map
  const family = functions[mapKinds[kind]!.family]
  const { object, property } = node.callee as ast.MemberExpression
  const found = own(family, name)
  if (found === undefined) {
    const names = Object.keys(family)
    return compiler.source.fail(
      property,
      `${kind} has no function '${name}'`,
      own(instead, name) ?? nearest(name, names) ?? `It has ${names.join(', ')}.`,
    )
  }
  if (arrayKinds.has(kind) && (name === 'delete' || name === 'setNew'))
    return compiler.source.fail(
      property,
      `the elements of an array are always there, so it has no function '${name}'`,
      `Write ${given.map.name}.set(index, value), or use a hash.`,
    )
  const args = node.arguments as ast.Expression[]
  const spread = node.arguments.find(({ type }) => type === 'SpreadElement')
  if (spread !== undefined) return compiler.source.fail(spread, ...noSpread)
  const { least, most = least } = found
  if (args.length < least || args.length > most) {
    const wanted = least === most ? `${least}` : `${least} or ${most}`
    return compiler.source.fail(node, `${name} has ${wanted} arguments, and ${args.length} are given`)
  }
  expectNoLock(compiler, node, scope)
  expectSleepable(compiler, kind, node)
  expectOpaqueAllowed(compiler, given.map.value, node)
  if (given.nullable) compiler.expectPresent(object, scope)
  compiler.expectKernel(mapKinds[kind]!.since, node, kind)
  const map =
    given.reg === undefined ? { ...given, map: typed(compiler, given.map, name, args, scope) } : given
  return found.call({ compiler, map, name, args, node, scope })
}

/** Families that programs which may sleep cannot use. */
const notSleepable = new Set<Family>([
  'filter',
  'perf events',
  'programs',
  'stacks',
  'redirect',
  'sockets',
  'reuseport',
  'cgroups',
])

/** Some maps are not made for programs that may sleep. */
function expectSleepable({ program, source }: ExpressionCompiler, kind: string, node: ast.Node): void {
  if (!maySleep(program)) return
  if (kind !== 'lpmTrie' && !notSleepable.has(mapKinds[kind]!.family)) return
  source.fail(node, `${program.hook} programs may sleep, and those cannot use a map of the kind ${kind}`)
}
