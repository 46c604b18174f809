import { Btf } from '../btf/btf.js'
import { didYouMean } from '../errors/nearest.js'
import { listBtfs } from '../kernel/inventory.js'
import { type Command, exitCodes, Failed, UsageError, visible } from './command.js'
import {
  actionOf,
  holderNames,
  idOf,
  listing,
  parseOptions,
  print,
  printJson,
  printJsonArray,
  right,
  table,
} from './output.js'

const options = { json: { type: 'boolean' }, type: { type: 'string', multiple: true } } as const
const verbs = ['list', 'show', 'dump'] as const

export const command: Command = {
  usage: 'list | show ID | dump ID|vmlinux|MODULE|FILE',
  summary: 'List the type information in the kernel, and print it as C declarations',
  help: `  list       list all BTF: that of the kernel, of its modules, and of programs and maps
  show ID    describe one BTF object
  dump WHAT  print C declarations, such as vmlinux.h, of an id, the kernel (vmlinux), a module, or a file of raw BTF

      --type NAME  with dump: print only this type and what it needs; can be repeated
      --json       print JSON; dump prints an array of types, which refer to each other by id, or only those of --type

list, show, and dump with an id require CAP_SYS_ADMIN.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [verb, what] = actionOf(verbs, positionals)
    if (values.type !== undefined && verb !== 'dump')
      throw new UsageError('--type can only be used with dump')
    const json = values.json === true
    switch (verb) {
      case 'list':
        return list(json)
      case 'show':
        return show(idOf(what), json)
      case 'dump':
        return dump(what, values.type, json)
    }
  },
}

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

async function dump(what: string | undefined, names: string[] | undefined, json: boolean): Promise<number> {
  using btf = open(what)
  const missing = names?.find((name) => btf.types.find(name) === undefined)
  if (missing !== undefined)
    throw new Failed(`no type is named '${missing}'${didYouMean(missing, btf.types.names())}`)
  if (!json) print(btf.toC(names).split('\n').map(visible).join('\n'))
  else await printJsonArray(names?.map((name) => btf.types.get(name)) ?? btf.types)
  return exitCodes.ok
}

function open(what: string | undefined): Btf {
  if (what === undefined || what === 'vmlinux') return Btf.fromKernel()
  if (/^\d+$/.test(what)) return Btf.fromId(idOf(what))
  return what.includes('/') || what.includes('.') ? Btf.fromFile(what) : Btf.fromModule(what)
}
