import { detachTcx } from '../attach/detach.js'
import { detachXdp, queryXdp, type XdpMode } from '../attach/xdp.js'
import { type NetworkPrograms, networkPrograms, type TcAttachment } from '../kernel/network.js'
import type { Program } from '../programs/program.js'
import { type Command, exitCodes, Failed, UsageError, visible } from './command.js'
import { isJson, jsonOptions, oneOf, parseOptions, print, printJson } from './output.js'
import { openProgram, programName } from './select.js'
import { programIn, Words } from './words.js'

const verbs = ['show', 'list', 'attach', 'detach'] as const
const modes: Readonly<Record<string, XdpMode | undefined>> = {
  xdp: undefined,
  xdpgeneric: 'generic',
  xdpdrv: 'native',
  xdpoffload: 'offload',
}
const directions = { tcx_ingress: 'ingress', tcx_egress: 'egress' } as const
const types = [...Object.keys(modes), ...Object.keys(directions)]

export const command: Command = {
  usage: 'list [dev NAME] | attach TYPE PROG dev NAME [overwrite] | detach TYPE [PROG] dev NAME',
  summary: 'List, attach and detach the programs of network interfaces',
  help: `  list [dev NAME]               list XDP, TCX, netkit and tc programs, flow dissectors and netfilter links
  attach TYPE PROG dev NAME     attach a program without a link, so that it stays
       overwrite                  take the place of an XDP program that is there
  detach TYPE dev NAME          detach an XDP program that was attached without a link
  detach TYPE PROG dev NAME     the same for TCX; for XDP, only if it is this program

TYPE is xdp, xdpgeneric, xdpdrv, xdpoffload, tcx_ingress or tcx_egress. PROG is an id, 'id ID', 'pinned PATH',
'tag TAG' or 'name NAME'. show is another word for list. Programs with links are detached with 'libbpf-node link detach'.

  -j, --json  print JSON as bpftool does

Requires CAP_NET_ADMIN, and CAP_SYS_ADMIN for netfilter and for programs by id.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, jsonOptions)
    const [first, ...rest] = positionals
    const verb = oneOf('action', verbs, first ?? 'list')
    const words = new Words(rest)
    if (verb === 'list' || verb === 'show') {
      const name = words.skip('dev') ? words.next('NAME') : undefined
      words.end()
      return list(name, isJson(values))
    }
    const type = oneOf('type', types, words.isEmpty ? undefined : words.next('TYPE'))
    return verb === 'attach' ? attach(type, words) : detach(type, words)
  },
}

function list(name: string | undefined, json: boolean): number {
  const found = networkPrograms(name === undefined ? {} : { interface: name })
  if (json) printJson([forJson(found)])
  else print(forPeople(found))
  return exitCodes.ok
}

const words: Readonly<Record<XdpMode, string>> = { native: 'driver', generic: 'generic', offload: 'offload' }

/** What bpftool prints. Programs in several modes are listed one by one. */
function forJson({ xdp, tc, flowDissector, netfilter }: NetworkPrograms): object {
  return {
    xdp: xdp.map(({ interface: devname, ifindex, mode, programId }) => ({
      devname,
      ifindex,
      mode: words[mode],
      id: programId,
    })),
    tc: tc.map((one) => {
      const { interface: devname, ifindex, kind, programId, linkId } = one
      const name = one.name ?? programName(programId)
      const about = { devname, ifindex, kind, ...(name !== undefined && { name }) }
      return isClassifier(one)
        ? { ...about, id: programId }
        : { ...about, prog_id: programId, prog_flags: [], link_id: linkId ?? 0, link_flags: [] }
    }),
    flow_dissector: flowDissector.map(({ programId }) => ({ id: programId })),
    netfilter: netfilter.map(({ protocolFamily, hook, priority, flags, programId }) => ({
      pf: protocolFamily,
      hook,
      prio: priority,
      flags,
      id: programId,
    })),
  }
}

const families: Readonly<Record<number, string>> = { 2: 'ip', 10: 'ip6' }
const hooks = ['prerouting', 'input', 'forward', 'output', 'postrouting']

function forPeople({ xdp, tc, flowDissector, netfilter }: NetworkPrograms): string {
  const sections = [
    [
      'xdp',
      xdp.map(
        ({ interface: name, ifindex, mode, programId }) =>
          `${name}(${ifindex}) ${words[mode]} id ${programId}`,
      ),
    ],
    [
      'tc',
      tc.map((one) => {
        const { interface: name, ifindex, kind, programId, linkId, handle, priority } = one
        const label = one.name ?? programName(programId) ?? ''
        const rest = isClassifier(one)
          ? `id ${programId} handle 0x${handle?.toString(16)} priority ${priority}`
          : `prog_id ${programId}${linkId === undefined ? '' : ` link_id ${linkId}`}`
        return `${name}(${ifindex}) ${kind} ${label} ${rest}`
      }),
    ],
    ['flow_dissector', flowDissector.map(({ programId }) => `id ${programId}`)],
    [
      'netfilter',
      netfilter.map(
        ({ protocolFamily, hook, priority, programId }) =>
          `${families[protocolFamily] ?? `pf ${protocolFamily}`} ${hooks[hook] ?? `hook ${hook}`} prio ${priority} prog_id ${programId}`,
      ),
    ],
  ] as const
  return sections
    .map(([title, lines]) => `${title}:\n${lines.map((line) => `${visible(line)}\n`).join('')}`)
    .join('\n')
}

const isClassifier = ({ handle }: TcAttachment): boolean => handle !== undefined

function attach(type: string, words: Words): number {
  const reference = programIn(words)
  words.expect('dev')
  const name = words.next('NAME')
  const overwrite = words.skip('overwrite')
  words.end()
  const direction = directions[type as keyof typeof directions]
  if (direction !== undefined)
    throw new UsageError(
      `${type} programs are attached with links: libbpf-node prog attach PROG tcx/${direction} dev ${name} pin PATH`,
    )
  using program = openProgram(reference, { section: 'xdp' })
  const { mode: there } = queryXdp(name)
  if (there !== undefined && !overwrite)
    throw new Failed(`${name} has an XDP program already (${there}); overwrite replaces it`)
  const mode = modes[type]
  const link = program.attachXdp(name, { replace: true, ...(mode !== undefined && { mode }) })
  link.disconnect()
  return exitCodes.ok
}

function detach(type: string, words: Words): number {
  const reference = words.first === 'dev' ? undefined : programIn(words)
  words.expect('dev')
  const name = words.next('NAME')
  words.end()
  const direction = directions[type as keyof typeof directions]
  const use = (program: Program | undefined): void => {
    const mode = modes[type]
    if (direction === undefined)
      detachXdp(name, { ...(mode !== undefined && { mode }), ...(program !== undefined && { program }) })
    else if (program === undefined)
      throw new UsageError(`${type} needs a program, because there can be several`)
    else detachTcx(name, direction, program)
  }
  if (reference === undefined) use(undefined)
  else {
    using program = openProgram(reference)
    use(program)
  }
  return exitCodes.ok
}
