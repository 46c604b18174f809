// Hooks that the BTF of the kernel and its modules describes.
import { readdirSync } from 'node:fs'
import { Btf } from '../btf/btf.js'
import { cType } from '../btf/c-type.js'
import type { BtfTypes } from '../btf/parse.js'
import type { BtfFunc, BtfFuncProto } from '../btf/types.js'
import { tracepointFunction } from '../machine/kallsyms.js'
import { kernelTypes } from '../machine/kernel-types.js'
import { probeableFunctions } from '../machine/tracefs.js'
import type { Hook, HookKind, HookParameter } from './hook.js'
import { isRecord, membersOf, parameter } from './members.js'

type Wanted = (kind: HookKind) => boolean
type Named = (name: string) => boolean

/** One set of types: the kernel's, or a module's. */
interface Source {
  readonly types: BtfTypes
  readonly module?: string
  /** The first type that is not of the kernel. */
  readonly firstId: number
}

/** @throws BpfError if the kernel has no BTF, or this process may not read it */
export function* hooksInBtf(wanted: Wanted, named: Named): Generator<Hook, undefined> {
  const kernel = kernelTypes()
  if (kernel === undefined) {
    // This throws an error that says why.
    Btf.fromKernel().close()
    return undefined
  }
  yield* hooksOf({ types: kernel, firstId: 1 }, wanted, named)
  for (const module of modules()) {
    using btf = openModule(module)
    if (btf !== undefined)
      yield* hooksOf({ types: btf.types, module, firstId: kernel.typeCount }, wanted, named)
  }
  return undefined
}

function* hooksOf(source: Source, wanted: Wanted, named: Named): Generator<Hook, undefined> {
  if (wanted('raw_tp')) yield* rawTracepoints(source, named)
  if (wanted('function')) yield* functions(source, named)
  if (wanted('lsm')) yield* withPrefix(source, 'bpf_lsm_', named, lsmHook)
  if (wanted('kfunc')) yield* kfuncs(source, named)
  if (wanted('iter')) yield* withPrefix(source, 'bpf_iter_', named, iterHook)
  if (wanted('struct_ops')) yield* structOps(source, named)
  return undefined
}

function* rawTracepoints({ types, module, firstId }: Source, named: Named): Generator<Hook, undefined> {
  const prefix = 'btf_trace_'
  const matches = (name: string) => name.startsWith(prefix) && named(name.slice(prefix.length))
  for (const type of types.ofKind('typedef', matches)) {
    if (type.id < firstId) continue
    const pointer = types.type(type.typeId)
    const proto = pointer.kind === 'ptr' ? types.type(pointer.typeId) : pointer
    if (proto.kind !== 'func_proto') continue
    const name = type.name.slice(prefix.length)
    yield {
      kind: 'raw_tp',
      name,
      sections: [`tp_btf/${name}`, `raw_tp/${name}`],
      // The first one is the data of whoever registered the tracepoint.
      parameters: parametersOf(types, namedProto(types, name) ?? proto).slice(1),
      ...(module !== undefined && { module }),
      since: '5.5',
    }
  }
  return undefined
}

/** The function that calls what is attached to a tracepoint. Unlike the type, it has names. (Linux 5.10) */
function namedProto(types: BtfTypes, tracepoint: string): BtfFuncProto | undefined {
  const type = types.find(tracepointFunction(tracepoint), 'func')
  return type === undefined ? undefined : protoOf(types, type)
}

function* functions({ types, module, firstId }: Source, named: Named): Generator<Hook, undefined> {
  let probeable: ReadonlySet<string> | undefined
  const seen = new Set<string>()
  for (const type of types.ofKind('func', named)) {
    if (type.id < firstId || seen.has(type.name)) continue
    if (seen.size === 0) probeable = probeableFunctions()
    seen.add(type.name)
    // Functions that are inlined everywhere, or protected, are not in that set.
    if (probeable !== undefined && !probeable.has(type.name)) continue
    const proto = protoOf(types, type)
    const { name } = type
    const traced = hasTrampoline(types, proto) ? [`fentry/${name}`, `fexit/${name}`] : []
    yield {
      ...called(types, 'function', name, proto),
      sections: [...traced, `kprobe/${name}`, `kretprobe/${name}`],
      ...(module !== undefined && { module }),
      since: traced.length > 0 ? '5.5' : '4.1',
    }
  }
  return undefined
}

function* withPrefix(
  { types, firstId }: Source,
  prefix: string,
  named: Named,
  make: (types: BtfTypes, name: string, proto: BtfFuncProto) => Hook | undefined,
): Generator<Hook, undefined> {
  const matches = (name: string) => name.startsWith(prefix) && named(name.slice(prefix.length))
  for (const type of types.ofKind('func', matches)) {
    const hook =
      type.id < firstId ? undefined : make(types, type.name.slice(prefix.length), protoOf(types, type))
    if (hook !== undefined) yield hook
  }
  return undefined
}

function lsmHook(types: BtfTypes, name: string, proto: BtfFuncProto): Hook {
  return {
    ...called(types, 'lsm', name, proto),
    sections: [`lsm/${name}`, `lsm.s/${name}`, `lsm_cgroup/${name}`],
    since: '5.7',
  }
}

/** An iterator has a context, a struct of the same name with one more underscore. */
function iterHook(types: BtfTypes, name: string): Hook | undefined {
  const context = types.find(`bpf_iter__${name}`, 'struct')
  if (context === undefined) return undefined
  return {
    kind: 'iter',
    name,
    sections: [`iter/${name}`, `iter.s/${name}`],
    context: `struct ${context.name}`,
    parameters: membersOf(types, context.name).filter(({ name }) => name !== 'meta'),
    since: '5.8',
  }
}

/** pahole marks them since Linux 6.10. */
function* kfuncs({ types, module, firstId }: Source, named: Named): Generator<Hook, undefined> {
  const seen = new Set<string>()
  for (const tag of types.ofKind('decl_tag', (name) => name === 'bpf_kfunc')) {
    const type = types.type(tag.typeId)
    if (tag.id < firstId || type.kind !== 'func' || !named(type.name) || seen.has(type.name)) continue
    seen.add(type.name)
    yield {
      ...called(types, 'kfunc', type.name, protoOf(types, type)),
      sections: [],
      ...(module !== undefined && { module }),
      since: '5.13',
    }
  }
  return undefined
}

/** The kernel has a `struct bpf_struct_ops_NAME` with its own data for each. */
function* structOps({ types, module, firstId }: Source, named: Named): Generator<Hook, undefined> {
  const prefix = 'bpf_struct_ops_'
  const matches = (name: string) => name.startsWith(prefix) && named(name.slice(prefix.length))
  for (const type of types.ofKind('struct', matches)) {
    const ops = types.find(type.name.slice(prefix.length), 'struct')
    if (type.id < firstId || ops === undefined) continue
    yield {
      kind: 'struct_ops',
      name: ops.name,
      sections: ['.struct_ops.link', '.struct_ops'],
      context: `struct ${ops.name}`,
      parameters: ops.members.flatMap((member) => {
        const isFunction =
          types.resolve(member.typeId).kind === 'ptr' && proto(types, member.typeId) !== undefined
        return isFunction ? parameter(types, member.name, member.typeId) : []
      }),
      ...(module !== undefined && { module }),
      since: '5.6',
    }
  }
  return undefined
}

/** The function type behind a pointer. */
function proto(types: BtfTypes, id: number): BtfFuncProto | undefined {
  const pointer = types.resolve(id)
  const type = pointer.kind === 'ptr' ? types.resolve(pointer.typeId) : undefined
  return type?.kind === 'func_proto' ? type : undefined
}

function called(
  types: BtfTypes,
  kind: HookKind,
  name: string,
  proto: BtfFuncProto,
): Omit<Hook, 'sections' | 'since'> {
  const { returnTypeId } = proto
  const returns = isRecord(types, returnTypeId) ? undefined : cType(types, returnTypeId)
  return { kind, name, parameters: parametersOf(types, proto), ...(returns !== undefined && { returns }) }
}

function protoOf(types: BtfTypes, type: BtfFunc): BtfFuncProto {
  return types.type(type.typeId) as BtfFuncProto
}

function parametersOf(types: BtfTypes, { params }: BtfFuncProto): HookParameter[] {
  return params.map(({ name, typeId }, i) => parameter(types, name === '' ? `arg${i}` : name, typeId))
}

/** Whether the verifier accepts a trampoline in front of such a function. */
function hasTrampoline(types: BtfTypes, { params, variadic, returnTypeId }: BtfFuncProto): boolean {
  const fits = ({ typeId }: { typeId: number }) => !isRecord(types, typeId) || types.sizeOf(typeId) <= 16
  return !variadic && params.length <= 12 && !isRecord(types, returnTypeId) && params.every(fits)
}

function modules(): string[] {
  try {
    return readdirSync('/sys/kernel/btf').filter((name) => name !== 'vmlinux')
  } catch {
    return []
  }
}

/** A module can be unloaded in the meantime, or have damaged BTF, which says nothing about the others. */
function openModule(name: string): Btf | undefined {
  try {
    return Btf.fromModule(name)
  } catch {
    return undefined
  }
}
