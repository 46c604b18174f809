// Tracepoints and system calls, as tracefs describes them.
import type { BtfTypes } from '../btf/parse.js'
import { moduleOf, tracepointFunction } from '../machine/kallsyms.js'
import { kernelTypes } from '../machine/kernel-types.js'
import { moduleTypes } from '../machine/module-types.js'
import { foldersIn } from '../machine/read.js'
import { sharedRecord } from '../machine/shared-records.js'
import { type EventField, eventsFolder, fieldsOf } from '../machine/tracefs.js'
import type { Hook, HookKind, HookParameter } from './hook.js'

type Named = (name: string) => boolean

/** Yields nothing if tracefs is not mounted, or this process may not read it. */
export function* hooksInTracefs(
  wanted: (kind: HookKind) => boolean,
  named: Named,
): Generator<Hook, undefined> {
  const events = eventsFolder()
  if (events === undefined) return undefined
  if (wanted('tracepoint')) {
    const records = new Records()
    for (const category of foldersIn(events)) {
      for (const name of foldersIn(`${events}/${category}`)) {
        if (category === 'ftrace' || !named(`${category}/${name}`)) continue
        const fields = fieldsOf(`${events}/${category}/${name}`)
        if (fields !== undefined) yield tracepoint(category, name, fields.map(parameterOf), records)
      }
    }
  }
  if (wanted('syscall')) yield* systemCalls(`${events}/syscalls`, named)
  return undefined
}

function tracepoint(
  category: string,
  name: string,
  parameters: readonly HookParameter[],
  records: Records,
): Hook {
  const { struct, module } = records.of(category, name)
  return {
    kind: 'tracepoint',
    name: `${category}/${name}`,
    sections: [`tp/${category}/${name}`],
    parameters,
    ...(struct !== undefined && { context: `struct ${struct}` }),
    ...(module !== undefined && { module }),
    since: '4.7',
  }
}

/** The structs in the BTF of the kernel and its modules. Several tracepoints can share one. */
class Records {
  /** The types of modules, read when they are needed. */
  readonly #types = new Map<string, BtfTypes | undefined>()

  of(category: string, name: string): { struct?: string | undefined; module?: string } {
    const kernel = kernelTypes()
    if (kernel === undefined) return {}
    const [, way] = category === 'syscalls' ? (/^sys_(enter|exit)_/.exec(name) ?? []) : []
    const struct = way === undefined ? `trace_event_raw_${name}` : `trace_event_raw_sys_${way}`
    const inKernel = kernel.find(struct, 'struct')
    if (inKernel !== undefined) return { struct: inKernel.name }
    const module = moduleOf(tracepointFunction(name))
    const types = module === undefined ? kernel : this.#typesOf(module, kernel)
    const found = types?.find(struct, 'struct') ?? (types && sharedRecord(types, `${category}/${name}`))
    return { struct: found?.name, ...(module !== undefined && { module }) }
  }

  #typesOf(module: string, kernel: BtfTypes): BtfTypes | undefined {
    if (!this.#types.has(module)) this.#types.set(module, moduleTypes(module, kernel))
    return this.#types.get(module)
  }
}

function* systemCalls(folder: string, named: Named): Generator<Hook, undefined> {
  for (const event of foldersIn(folder)) {
    const [, name] = /^sys_enter_(.+)$/.exec(event) ?? []
    if (name === undefined || !named(name)) continue
    const fields = fieldsOf(`${folder}/${event}`)
    if (fields === undefined) continue
    yield {
      kind: 'syscall',
      name,
      sections: [
        `tp/syscalls/sys_enter_${name}`,
        `tp/syscalls/sys_exit_${name}`,
        `ksyscall/${name}`,
        `kretsyscall/${name}`,
      ],
      parameters: fields.filter((field) => field.name !== '__syscall_nr').map(parameterOf),
      returns: 'long',
      context: 'struct trace_event_raw_sys_enter',
      since: '4.7',
    }
  }
  return undefined
}

const parameterOf = ({ name, type, declaration }: EventField): HookParameter => ({ name, type, declaration })
