import { type PerfAttachment, perfPrograms } from '../kernel/perf.js'
import { type Command, exitCodes, visible } from './command.js'
import { expectNoMore, isJson, jsonOptions, oneOf, parseOptions, print, printJson } from './output.js'

const verbs = ['show', 'list'] as const

export const command: Command = {
  usage: 'list',
  summary: 'List the programs at probes and tracepoints, and the processes that hold them',
  help: `  list  list the perf events and raw tracepoints that processes have open, and their programs

show is another word for list. Perf events of clocks and counters are not listed: the kernel does not tell their programs.

  -j, --json  print JSON as bpftool does

Requires CAP_SYS_ADMIN and Linux 4.18.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, jsonOptions)
    const [first, ...rest] = positionals
    oneOf('action', verbs, first ?? 'list')
    expectNoMore(rest)
    const found = [...perfPrograms()]
    if (isJson(values)) printJson(found.map(forJson))
    else print(found.map((one) => `${visible(forPeople(one))}\n`).join(''))
    return exitCodes.ok
  },
}

function forJson({ pid, fd, programId, type, name, offset, address }: PerfAttachment): object {
  const about = { pid, fd, prog_id: programId, fd_type: type }
  // Offsets in files fit 53 bits; addresses do not, so they are printed as they are in bpftool's text.
  switch (type) {
    case 'raw_tracepoint':
    case 'tracepoint':
      return { ...about, tracepoint: name }
    case 'kprobe':
    case 'kretprobe':
      return name === '' ? { ...about, addr: address } : { ...about, func: name, offset: Number(offset) }
    case 'uprobe':
    case 'uretprobe':
      return { ...about, filename: name, offset: Number(offset) }
  }
}

function forPeople({ pid, fd, programId, type, name, offset, address }: PerfAttachment): string {
  const before = `pid ${pid}  fd ${fd}: prog_id ${programId}  ${type}  `
  switch (type) {
    case 'raw_tracepoint':
    case 'tracepoint':
      return `${before}${name}`
    case 'kprobe':
    case 'kretprobe':
      return `${before}${name === '' ? `addr ${address}` : `func ${name}  offset ${offset}`}`
    case 'uprobe':
    case 'uretprobe':
      return `${before}filename ${name}  offset ${offset}`
  }
}
