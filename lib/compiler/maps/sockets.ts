// Sockmaps: sockets that data is sent on to.
import type { HelperName } from '../../asm/helper-names.js'
import type { Argument } from '../ir.js'
import { u32 } from '../types.js'
import type { Value } from '../values.js'
import { asInt, inMemory, type MapCall, type MapFunctions, mapArgument } from './memory.js'

export const socketFunctions: MapFunctions = {
  get: { least: 1, call: get },
  add: { least: 1, call: add },
  redirect: { least: 1, most: 2, call: redirect },
}

/** BPF_F_INGRESS */
const toOwnSide = 1

/** A socket, which has to be released, or null. */
function get({ compiler, map, args, node, scope }: MapCall): Value {
  const record = compiler.kernel.record('bpf_sock')
  if (record === undefined)
    return compiler.source.fail(node, 'the types of the kernel have no struct bpf_sock')
  const key = inMemory(compiler, map.map.key!, args[0]!, scope)
  const reg = compiler.call('map_lookup_elem', [mapArgument(map), key])
  const owed = {
    what: 'reference',
    still: 'held',
    release: 'sk_release',
    how: (reference: string) => `Call bpf.skRelease(${reference}) first.`,
    withName: `const sk = ${map.map.name}.get(...)`,
  } as const
  return { kind: 'context', reg, record, nullable: true, owed }
}

/** Adds the socket of a sockOps program. Returns 0 or a negative error. */
function add({ compiler, map, args, node, scope }: MapCall): Value {
  if (compiler.program.hook !== 'sockOps')
    return compiler.source.fail(
      node,
      'only sockOps programs have a socket that they could add',
      'User space adds others.',
    )
  const helper: HelperName = map.map.kind === 'sockmap' ? 'sock_map_update' : 'sock_hash_update'
  const key = inMemory(compiler, map.map.key!, args[0]!, scope)
  const own = [{ reg: compiler.contextFor(node) }, mapArgument(map), key, { imm: 0 }]
  return asInt(compiler, compiler.call(helper, own))
}

/**
 * Sends the data to a socket of the map; with true, as if that socket had received it. Returns what the program has to
 * return.
 */
function redirect({ compiler, map, args: [key, ingress], node, scope }: MapCall): Value {
  const { hook } = compiler.program
  const isMessage = hook === 'skMsg'
  if (!isMessage && hook !== 'skSkbVerdict' && hook !== 'skSkb')
    return compiler.source.fail(
      node,
      `${hook} programs cannot send on to a socket`,
      'skMsg and skSkbVerdict programs can.',
    )
  const isIngress = ingress === undefined ? 0n : compiler.module.constant(ingress)
  if (isIngress === undefined) return compiler.source.fail(ingress!, 'this has to be true or false')
  const isHash = map.map.kind === 'sockhash'
  const address: Argument = isHash
    ? inMemory(compiler, map.map.key!, key!, scope)
    : { reg: compiler.inReg(compiler.convert(compiler.numeric(key!, scope), u32, key!)) }
  const helper: HelperName = `${isMessage ? 'msg' : 'sk'}_redirect_${isHash ? 'hash' : 'map'}`
  const flags = { imm: isIngress === 0n ? 0 : toOwnSide }
  return asInt(
    compiler,
    compiler.call(helper, [{ reg: compiler.contextFor(node) }, mapArgument(map), address, flags]),
  )
}
