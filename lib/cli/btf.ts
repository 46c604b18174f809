import { Btf } from '../btf.js'
import { btfs } from '../system.js'
import { type Command, exitCodes, UsageError } from './command.js'
import { holderNames, idOf, listing, oneOf, parseOptions, print, printJson, table } from './output.js'

const options = { json: { type: 'boolean' }, type: { type: 'string', multiple: true } } as const
const verbs = ['list', 'show', 'dump'] as const

export const command: Command = {
  usage: 'list | show ID | dump ID|vmlinux|MODULE|FILE',
  summary: 'The type information in the kernel, and as C declarations',
  help: `  list       all of it: the kernel's own, of modules, and what came with programs and maps
  show ID    one
  dump WHAT  C declarations, such as vmlinux.h; of an id, the kernel (vmlinux), a module, or a file of raw BTF

      --type NAME  dump: only this type, with what it needs; may be repeated
      --json       list, show: for programs

list, show, and dump of an id need CAP_SYS_ADMIN.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [verb, what] = positionals
    switch (oneOf('action', verbs, verb)) {
      case 'list':
        return list(values.json === true)
      case 'show':
        return show(idOf(what), values.json === true)
      case 'dump':
        return dump(what, values.type)
    }
  },
}

function list(json: boolean): number {
  const found = [...btfs({ holders: true })]
  if (json) printJson(found)
  else {
    const right = (title: string) => ({ title, align: 'right' }) as const
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
        ['of the kernel', info.isKernel ? 'yes' : 'no'],
      ]),
    )
  }
  return exitCodes.ok
}

function dump(what: string | undefined, types: string[] | undefined): number {
  using btf = open(what)
  print(declarations(btf, types))
  return exitCodes.ok
}

function declarations(btf: Btf, types: string[] | undefined): string {
  try {
    return btf.toC(types)
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(`--type: ${error.message}`) : error
  }
}

function open(what: string | undefined): Btf {
  if (what === undefined || what === 'vmlinux') return Btf.fromKernel()
  if (/^\d+$/.test(what)) return Btf.fromId(idOf(what))
  return what.includes('/') || what.includes('.') ? Btf.fromFile(what) : Btf.fromModule(what)
}
