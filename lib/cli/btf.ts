import { Btf } from '../btf/btf.js'
import { didYouMean } from '../errors/nearest.js'
import { listBtfs, mapInfo, programInfo } from '../kernel/inventory.js'
import { type Command, exitCodes, Failed, UsageError, visible } from './command.js'
import {
  holderNames,
  idOf,
  isJson,
  jsonOptions,
  listing,
  oneOf,
  parseOptions,
  print,
  printJson,
  printJsonArray,
  printPieces,
  right,
  table,
} from './output.js'
import { rawLines } from './raw-types.js'
import { idOfOne } from './select.js'
import { mapIn, programIn, Words } from './words.js'

const options = {
  ...jsonOptions,
  type: { type: 'string', multiple: true },
  'base-btf': { type: 'string', short: 'B' },
} as const
const verbs = ['list', 'show', 'dump'] as const

export const command: Command = {
  usage: 'list | show [ID] | dump WHAT [format c|raw] [root_id N]',
  summary: 'List the type information in the kernel, and print it as C declarations',
  help: `  list       list all BTF: that of the kernel, of its modules, and of programs and maps
  show ID    describe one BTF object; without ID, the same as list
  dump WHAT  print C declarations, such as vmlinux.h
       format raw  print the types as BTF has them, with their ids
       root_id N   with format raw: only type N and what it needs

WHAT is the kernel (vmlinux), the name of a module, 'id ID' or an id, 'prog PROG', 'map MAP [key|value|kv|all]', or
'file FILE' or a path: an object file, raw BTF, or a kernel. PROG is an id, 'id ID', 'pinned PATH', 'tag TAG' or 'name NAME',
and MAP is an id, 'id ID', 'pinned PATH' or 'name NAME'.

      --type NAME        with dump: print only this type and what it needs; can be repeated
  -B, --base-btf FILE    the BTF that a file of split BTF extends, for modules
  -j, --json             print JSON; dump prints an array of types, which refer to each other by id, or only those of
                         --type

list, show, and dump of what is in the kernel require CAP_SYS_ADMIN; dump of vmlinux and of files does not.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [first, ...rest] = positionals
    const verb = oneOf('action', verbs, first ?? 'list')
    const words = new Words(rest)
    if (values.type !== undefined && verb !== 'dump')
      throw new UsageError('--type can only be used with dump')
    const json = isJson(values)
    if (verb === 'list' || words.isEmpty) {
      if (verb === 'dump') return dump({ what: 'vmlinux' }, values.type, { json })
      words.end()
      return list(json)
    }
    if (verb === 'show') {
      words.skip('id')
      const id = idOf(words.next('ID'))
      words.end()
      return show(id, json)
    }
    const source = sourceIn(words)
    let raw = false
    let root: number | undefined
    while (!words.isEmpty) {
      if (words.skip('format')) raw = oneOf('format', ['c', 'raw'] as const, words.next('format')) === 'raw'
      else if (words.skip('root_id')) root = words.number('root_id')
      else words.end()
    }
    if (root !== undefined && !raw) throw new UsageError("root_id goes with 'format raw'; --type NAME with C")
    return dump({ ...source, base: values['base-btf'] }, values.type, { json, raw, root })
  },
}

/** What to dump, as the command line says it. */
interface Source {
  readonly what: string | number
  readonly base?: string | undefined
  /** Only these types. */
  readonly roots?: readonly number[]
}

function sourceIn(words: Words): Source {
  if (words.skip('id')) return { what: idOf(words.next('ID')) }
  if (words.skip('file')) return { what: fileOf(words.next('FILE')) }
  if (words.skip('prog')) return { what: btfOf('program', programInfo(idOfOne('program', programIn(words)))) }
  if (words.skip('map')) {
    const info = mapInfo(idOfOne('map', mapIn(words)))
    const which = words.isEmpty || words.first === 'format' ? 'kv' : words.next('WHICH')
    const { btfKeyTypeId: key, btfValueTypeId: value } = info
    const roots = { key: [key], value: [value], kv: [key, value], all: undefined }[
      oneOf('part', ['key', 'value', 'kv', 'all'] as const, which)
    ]
    return { what: btfOf('map', info), ...(roots && { roots: roots.filter((id) => id !== 0) }) }
  }
  const what = words.next('WHAT')
  return { what: /^\d+$/.test(what) ? idOf(what) : what }
}

function btfOf(kind: string, { id, btfId }: { id: number; btfId: number }): number {
  if (btfId === 0) throw new Failed(`${kind} ${id} has no BTF`)
  return btfId
}

/** A name without a slash is a file here. */
const fileOf = (path: string): string => (path.includes('/') ? path : `./${path}`)

function list(json: boolean): number {
  const found = [...listBtfs({ holders: true })]
  if (json) printJson(found)
  else {
    print(
      table(
        [right('id'), 'name', right('bytes'), 'held by'],
        found.map((info) => [info.id, info.name || '(a program)', info.size, holderNames(info.holders)]),
      ),
    )
  }
  return exitCodes.ok
}

function show(id: number, json: boolean): number {
  const info = Btf.info(id)
  if (json) printJson(info)
  else {
    print(
      listing([
        ['id', info.id],
        ['name', info.name || '(a program)'],
        ['bytes', info.size],
        ['kernel or module', info.isKernel ? 'yes' : 'no'],
      ]),
    )
  }
  return exitCodes.ok
}

async function dump(
  source: Source,
  names: string[] | undefined,
  { json, raw = false, root }: { json: boolean; raw?: boolean; root?: number | undefined },
): Promise<number> {
  using base = source.base === undefined ? undefined : Btf.fromFile(source.base)
  using btf = open(source.what, base)
  const missing = names?.find((name) => btf.types.find(name) === undefined)
  if (missing !== undefined)
    throw new Failed(`no type is named '${missing}'${didYouMean(missing, btf.types.names())}`)
  if (json) {
    await printJsonArray(names?.map((name) => btf.types.get(name)) ?? btf.types)
    return exitCodes.ok
  }
  const roots = root === undefined ? source.roots : [root]
  if (raw) await printPieces(rawLines(btf.types, names?.map((name) => btf.types.get(name).id) ?? roots))
  else
    print(
      btf
        .toC(names ?? namesOf(btf, source.roots))
        .split('\n')
        .map(visible)
        .join('\n'),
    )
  return exitCodes.ok
}

/** The types to print as C, which are those that have a name. */
function namesOf(btf: Btf, roots: readonly number[] | undefined): string[] | undefined {
  return roots?.map((id) => btf.types.type(id).name).filter((name) => name !== '')
}

function open(what: string | number, base: Btf | undefined): Btf {
  const options = base && { base }
  if (what === 'vmlinux') return Btf.fromKernel()
  if (typeof what === 'number') return Btf.fromId(what, options)
  if (!what.includes('/') && !what.includes('.')) return Btf.fromModule(what, options)
  const [, module] = /^\/sys\/kernel\/btf\/(\w+)$/.exec(what) ?? []
  return module === undefined || module === 'vmlinux' || base !== undefined
    ? Btf.fromFile(what, options)
    : Btf.fromModule(module)
}
