// Which of the kernel's structs a map can keep a reference to.
import type { Module } from '../module.js'
import type { ast } from '../syntax.js'
import { kptrTo, type Type } from '../types.js'
import { isOpaque } from './opaque.js'

/**
 * The structs that the kernel can release by itself when a map is freed, and the functions with which programs release
 * them.
 */
export const kptrReleases: Readonly<Record<string, string>> = {
  task_struct: 'bpf_task_release',
  cgroup: 'bpf_cgroup_release',
  bpf_cpumask: 'bpf_cpumask_release',
  bpf_crypto_ctx: 'bpf_crypto_ctx_release',
  nf_conn: 'bpf_ct_release',
  sk_buff: 'bpf_kfree_skb',
}

/** Why there cannot be a kptr anywhere but in the value of a map. */
export const onlyValues =
  'a kptr has to be in the value of a hash map, of an array, or of a storage of values'

/** `kptr<kernel.task_struct>`, or `kptr<Job>` */
export function kptrOf(module: Module, given: ast.TSType | undefined, node: ast.TSTypeReference): Type {
  const { source } = module
  const text = given && source.text.slice(given.start!, given.end!)
  const record = /^kernel\.(\w+)$/.exec(text ?? '')?.[1]
  const object = given && record === undefined && module.hasType(text!) ? module.type(given) : undefined
  if (object?.kind === 'struct' && !isOpaque(object)) return kptrTo(object.name, object)
  if (record === undefined)
    return source.fail(
      given ?? node,
      "a kptr has the type of one of the kernel's structs, or of an interface",
      'Write kptr<kernel.task_struct>.',
    )
  if (!Object.hasOwn(kptrReleases, record))
    return source.fail(
      given!,
      `maps cannot keep a ${text}`,
      `They can keep these: ${Object.keys(kptrReleases).join(', ')}.`,
    )
  return kptrTo(record)
}
