import { toC } from '../hooks/c.js'
import { type Hook, type HookKind, hookKinds } from '../hooks/hook.js'
import { listHooks } from '../hooks/list.js'
import { toTypeScript } from '../hooks/typescript.js'
import { whyNoTracefs } from '../machine/tracefs.js'
import { type Command, exitCodes, Failed, say, UsageError, visible } from './command.js'
import { expectNoMore, oneOf, parseOptions, print, printJsonArray, printPieces } from './output.js'

const options = {
  json: { type: 'boolean' },
  kind: { type: 'string', multiple: true },
  in: { type: 'string' },
  pid: { type: 'string' },
  c: { type: 'boolean' },
  ts: { type: 'boolean' },
  as: { type: 'string' },
} as const

export const command: Command = {
  usage: '[PATTERN] [--kind KIND]... [--in FILE | --pid PID] [--c | --ts] [--as SECTION] [--json]',
  summary: 'List what programs can be attached to, with the arguments that they get there',
  help: `PATTERN is a name with the wildcards * and ?, such as 'tcp_*_connect', or the part of a name after / or :. Each line
shows what to write in SEC(), and the arguments. The kernel's functions are listed with fentry; they can be used with
fexit, kprobe and kretprobe, too, and raw tracepoints (tp_btf) with raw_tp.

      --kind KIND   only these: ${hookKinds.slice(0, 6).join(', ')},
                    ${hookKinds.slice(6).join(', ')}; can be repeated
      --in FILE     the functions and USDT probes of a program or library: a path, or a name such as libc.so.6
      --pid PID     the same for the files that a process has mapped
      --c           print a C file with a function for each hook that was found
      --ts          print the same in TypeScript, for libbpf-node/kernel
      --as SECTION  with --c and --ts: another one of a hook's sections, such as fexit, kprobe, raw_tp or ksyscall
      --json        print JSON, with everything that is known about each hook

Tracepoints and system calls are read from tracefs, functions and raw tracepoints from the kernel's BTF.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [pattern, ...rest] = positionals
    expectNoMore(rest)
    const outputs = [values.json, values.c, values.ts].filter((one) => one === true)
    if (outputs.length > 1) throw new UsageError('--json, --c and --ts cannot be used together')
    if (values.as !== undefined && values.c !== true && values.ts !== true)
      throw new UsageError('--as can only be used with --c and --ts')
    const kinds = values.kind?.map((kind) => oneOf<HookKind>('hook kind', hookKinds, kind))
    const hooks = listHooks(pattern, { ...(kinds && { kinds }), ...placeOf(values.in, values.pid) })
    if (values.json) {
      await printJsonArray(hooks)
      return exitCodes.ok
    }
    if (values.c || values.ts) return generate([...hooks], pattern, values)
    let count = 0
    await printPieces(
      (function* () {
        for (const hook of hooks) {
          count++
          yield `${visible(lineOf(hook))}\n`
        }
      })(),
    )
    if (count === 0) throw nothing(pattern)
    const missing = whyNoTracefs()
    if (missing !== undefined && values.in === undefined && values.pid === undefined)
      say(`Tracepoints and system calls are not listed: ${missing}.`)
    return exitCodes.ok
  },
}

function placeOf(binary: string | undefined, pid: string | undefined): { binary?: string; pid?: number } {
  if (pid !== undefined && !/^[1-9]\d{0,9}$/.test(pid))
    throw new UsageError(`--pid ${pid} is not a process id`)
  return { ...(binary !== undefined && { binary }), ...(pid !== undefined && { pid: Number(pid) }) }
}

/** Nobody wants to write programs for more hooks than this. */
const mostPrograms = 200

function generate(
  hooks: readonly Hook[],
  pattern: string | undefined,
  { c, as }: { c?: boolean; as?: string },
): number {
  if (hooks.length === 0) throw nothing(pattern)
  if (hooks.length > mostPrograms)
    throw new Failed(
      `${hooks.length} hooks match, and at most ${mostPrograms} programs are written; use a narrower pattern, or --kind`,
    )
  const wanted = as === undefined ? hooks : hooks.filter((hook) => hasSection(hook, as))
  if (wanted.length === 0)
    throw new Failed(`none of the ${hooks.length} hooks that match has a section '${as}'`)
  print((c ? toC : toTypeScript)(wanted, as === undefined ? {} : { as }))
  return exitCodes.ok
}

const hasSection = ({ sections }: Hook, as: string): boolean =>
  sections.some((section) => section === as || section.startsWith(`${as}/`))

function nothing(pattern = '*'): Failed {
  const hint = /[*?]/.test(pattern) ? '' : `; '*${pattern}*' finds names that contain it`
  return new Failed(`nothing is named '${pattern}'${hint}`)
}

function lineOf({ kind, name, sections, parameters, returns }: Hook): string {
  const what =
    kind === 'kfunc' || kind === 'struct_ops' || kind === 'perf_event' ? `${kind} ${name}` : sections[0]
  if (kind === 'user') return `${what}`
  const result = returns === undefined || returns === 'void' ? '' : `: ${returns}`
  const list = kind === 'perf_event' ? '' : `(${parameters.map(({ declaration }) => declaration).join(', ')})`
  return `${what}${list}${result}`
}
