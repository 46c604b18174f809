import { detachCgroup } from '../attach/detach.js'
import { didYouMean } from '../errors/nearest.js'
import { type CgroupAttachment, cgroupPrograms, cgroupTree } from '../kernel/cgroups.js'
import { type AttachType, attachTypes } from '../native/type-names.js'
import { type Command, exitCodes, UsageError, visible } from './command.js'
import { isJson, jsonOptions, oneOf, parseOptions, print, printJson, right, table } from './output.js'
import { openProgram, programName } from './select.js'
import { programIn, Words } from './words.js'

const verbs = ['show', 'list', 'tree', 'attach', 'detach'] as const

export const command: Command = {
  usage:
    'list CGROUP [effective] | tree [CGROUP] [effective] | attach|detach CGROUP TYPE PROG [multi|override]',
  summary: 'List, attach and detach the programs of cgroups',
  help: `  list CGROUP                 list the programs of a cgroup
       effective                also those of the cgroups above that run there
  tree [CGROUP]               the same for all cgroups, or for this one and those below
  attach CGROUP TYPE PROG     attach a program without a link, so that it stays
       multi                    in addition to others; otherwise it is the only one
       override                 cgroups below may replace it
  detach CGROUP TYPE PROG     detach a program that was attached without a link

CGROUP is a folder. TYPE is an attach type, such as cgroup_inet_egress. PROG is an id, 'id ID', 'pinned PATH', 'tag TAG'
or 'name NAME'. show is another word for list. Programs with links are detached with 'libbpf-node link detach'.

  -j, --json  print JSON as bpftool does

Requires CAP_NET_ADMIN, and CAP_SYS_ADMIN for the names of programs.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, jsonOptions)
    const [first, ...rest] = positionals
    const verb = oneOf('action', verbs, first)
    const words = new Words(rest)
    const json = isJson(values)
    if (verb === 'tree') {
      const root = words.isEmpty || words.first === 'effective' ? undefined : words.next('CGROUP')
      return tree(root, ending(words), json)
    }
    const cgroup = words.next('CGROUP')
    if (verb === 'list' || verb === 'show') return list(cgroup, ending(words), json)
    return verb === 'attach' ? attach(cgroup, words) : detach(cgroup, words)
  },
}

function ending(words: Words): { effective: boolean } {
  const effective = words.skip('effective')
  words.end()
  return { effective }
}

interface Row {
  id: number
  attach_type: AttachType
  attach_flags?: string
  name: string
}

function rowOf({ programId, attachType, allow }: CgroupAttachment, effective: boolean): Row {
  return {
    id: programId,
    attach_type: attachType,
    ...(!effective && { attach_flags: allow === 'none' ? '' : allow }),
    name: programName(programId) ?? '',
  }
}

function list(cgroup: string, options: { effective: boolean }, json: boolean): number {
  const rows = cgroupPrograms(cgroup, options).map((one) => rowOf(one, options.effective))
  if (json) printJson(rows)
  else print(asTable(rows))
  return exitCodes.ok
}

function tree(root: string | undefined, options: { effective: boolean }, json: boolean): number {
  const found = [...cgroupTree(root, options)].map(({ cgroup, programs }) => ({
    cgroup,
    programs: programs.map((one) => rowOf(one, options.effective)),
  }))
  if (json) printJson(found)
  else print(found.map(({ cgroup, programs }) => `${visible(cgroup)}\n${asTable(programs)}`).join('\n'))
  return exitCodes.ok
}

const asTable = (rows: readonly Row[]): string =>
  table(
    [right('id'), 'attach type', 'flags', 'name'],
    rows.map((row) => [row.id, row.attach_type, row.attach_flags ?? '', row.name]),
  )

function typeIn(words: Words): AttachType {
  const word = words.next('TYPE')
  const found = attachTypes.find((type) => type === word)
  if (found !== undefined) return found
  const known = attachTypes.filter((type) => type.startsWith('cgroup_'))
  throw new UsageError(`unknown attach type '${word}'${didYouMean(word, known)}`)
}

function attach(cgroup: string, words: Words): number {
  const type = typeIn(words)
  const reference = programIn(words)
  const allow = words.skip('multi') ? 'multi' : words.skip('override') ? 'override' : 'none'
  words.end()
  using program = openProgram(reference, { section: sectionOf(type) })
  program.attachCgroup(cgroup, { allow }).disconnect()
  return exitCodes.ok
}

function detach(cgroup: string, words: Words): number {
  const type = typeIn(words)
  const reference = programIn(words)
  words.end()
  using program = openProgram(reference)
  detachCgroup(cgroup, type, program)
  return exitCodes.ok
}

/** What SEC() contains for an attach type, where the program's type does not determine it. */
function sectionOf(type: AttachType): string {
  const name = type.replace(/^cgroup_/, '')
  const others: Readonly<Record<string, string>> = {
    inet_ingress: 'cgroup_skb/ingress',
    inet_egress: 'cgroup_skb/egress',
    inet_sock_create: 'cgroup/sock_create',
    inet_sock_release: 'cgroup/sock_release',
    device: 'cgroup/dev',
    sock_ops: 'sockops',
    sysctl: 'cgroup/sysctl',
    getsockopt: 'cgroup/getsockopt',
    setsockopt: 'cgroup/setsockopt',
  }
  // inet4_post_bind is cgroup/post_bind4, udp6_sendmsg is cgroup/sendmsg6, unix_connect is cgroup/connect_unix.
  const [, family = '', call = ''] = /^(inet4|inet6|udp4|udp6|unix)_(\w+)$/.exec(name) ?? []
  const suffix = family === 'unix' ? '_unix' : family.slice(-1)
  return others[name] ?? `cgroup/${call}${suffix}`
}
