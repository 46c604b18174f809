// Pages of an arena, which programs allocate and free.
import type { ExpressionCompiler } from '../expressions.js'
import { maySleep } from '../hooks/kinds.js'
import type { Argument } from '../ir.js'
import { callNamed } from '../kfuncs.js'
import type { ast } from '../syntax.js'
import { describeValue, markGivenBack, type Value } from '../values.js'
import { addressInProcess, cast, expectShared, pagesOf } from './arena.js'
import type { MapCall, MapFunctions } from './memory.js'

export const arenaFunctions: MapFunctions = {
  alloc: { least: 0, call: alloc },
  free: { least: 1, call: free },
}

/** Whole pages of zeros for a value, or null if there are none left. */
function alloc({ compiler, map, node }: MapCall): Value {
  const given =
    node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params[0] : undefined
  if (given === undefined)
    return compiler.source.fail(
      node,
      'alloc needs the type of what is kept there',
      `Write ${map.map.name}.alloc<array<Item, 128>>().`,
    )
  const type = compiler.module.type(given)
  expectShared(compiler.module, type, given)
  expectMayAllocate(compiler, 'alloc', node)
  const [anywhere, anyNode] = [{ imm: 0 }, { imm: -1 }]
  const args: Argument[] = [{ map: map.map.name }, anywhere, { imm: pagesOf(type) }, anyNode, { imm: 0 }]
  const reg = cast(compiler, callNamed(compiler, 'bpf_arena_alloc_pages', node, args), 'kernel')
  return { kind: 'pointer', reg, type, shared: true, inArena: true }
}

/** Frees pages that alloc returned. */
function free({ compiler, map, args: [given], node, scope }: MapCall): Value {
  const pointer = compiler.expression(given!, scope)
  if (pointer.kind !== 'pointer' || !pointer.inArena)
    return compiler.source.fail(
      given!,
      `free releases what alloc has returned, and this is ${describeValue(pointer)}`,
    )
  expectMayAllocate(compiler, 'free', node)
  compiler.expectPresent(given!, scope)
  const address = addressInProcess(compiler, pointer)
  callNamed(compiler, 'bpf_arena_free_pages', node, [
    { map: map.map.name },
    { reg: address.reg },
    { imm: pagesOf(pointer.type) },
  ])
  if (given!.type === 'Identifier' && scope.has(given!.name)) markGivenBack(scope, given!.name)
  return { kind: 'void' }
}

/**
 * Before Linux 7.0, allocating and freeing pages may sleep. Later kernels have separate functions that do not sleep.
 */
function expectMayAllocate(compiler: ExpressionCompiler, name: string, node: ast.CallExpression): void {
  const { program, source, kernel } = compiler
  if (maySleep(program) || kernel.function('bpf_arena_alloc_pages_non_sleepable') !== undefined) {
    if (!maySleep(program)) compiler.expectKernel('7.0', node, `${name} in a program that does not sleep`)
    return
  }
  source.fail(
    node,
    `before Linux 7.0, ${name} is for programs that may sleep, and ${program.hook} programs do not`,
    'Allocate the pages in a syscall program, which user space runs once, and use them here.',
  )
}
