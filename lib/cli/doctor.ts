import type { Finding } from '../doctor/finding.js'
import { examineMachine } from '../doctor/machine.js'
import { examineObject } from '../doctor/object.js'
import { features } from '../features/features.js'
import { type Command, exitCodes, UsageError, visible } from './command.js'
import { machineForJson } from './features.js'
import { columns, paint, parseOptions, print, printJson, wrap } from './output.js'

const options = { json: { type: 'boolean' } } as const

export const command: Command = {
  usage: '[--json] [OBJECT]',
  summary: 'What this machine can do with BPF, and whether an object loads here',
  help: `Each line is a check: ok, note (something to know, that not everybody needs) or problem (something that is needed lacks), and what helps.
With OBJECT, a compiled BPF object (exec.bpf.o), also which capabilities it needs, whether this kernel has its types of programs and maps,
its helpers and what it attaches to, and which of its programs load; where it may, doctor tries that. Nothing stays loaded, nothing is attached.

      --json  for programs

Exit code 1 when there is a problem: of the machine, or with OBJECT, of the object.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [path] = positionals
    if (path === '') throw new UsageError('OBJECT has no name')
    if (positionals.length > 1) throw new UsageError('one OBJECT at a time')
    const machine = features.machine()
    const checks = examineMachine(machine)
    const object = path === undefined ? undefined : await examineObject(path)
    // A machine may lack what an object does not need.
    const isWell = (object?.findings ?? checks).every(({ state }) => state !== 'problem')
    if (values.json)
      printJson({
        ok: isWell,
        machine: machineForJson(machine),
        checks,
        ...(object !== undefined && { object }),
      })
    else {
      print(show(checks))
      if (object !== undefined) print(`\n${show(object.findings)}`)
      print(`\n${verdict(isWell, path)}\n`)
    }
    return isWell ? exitCodes.ok : exitCodes.failed
  },
}

const colours = { ok: 'green', note: 'yellow', problem: 'red' } as const

function show(found: readonly Finding[]): string {
  // An object's names may be anything.
  const findings = found.map((finding) => ({
    ...finding,
    check: visible(finding.check),
    says: visible(finding.says),
    fix: finding.fix && visible(finding.fix),
  }))
  const name = Math.max(...findings.map(({ check }) => check.length))
  const indent = ' '.repeat(9)
  return findings
    .map(({ check, state, says, fix }) => {
      const isLong = 9 + name + 2 + says.length > columns()
      const room = columns() - 9 - name - 2
      const lines =
        isLong && room < 30
          ? [check, ...wrap(says, columns() - 11).map((l) => `  ${l}`)]
          : hanging(check.padEnd(name), says, room, name)
      const first = `${paint(colours[state], state.padEnd(7))}  ${lines[0]}`
      const rest = lines.slice(1).map((line) => `${indent}${line}`)
      const fixes =
        fix === undefined
          ? []
          : hanging(''.padEnd(name), `-> ${fix}`, room, name).map((line) => `${indent}${line}`)
      return [first, ...rest, ...fixes].map((line) => line.trimEnd()).join('\n')
    })
    .join('\n')
    .concat('\n')
}

function hanging(head: string, text: string, room: number, indent: number): string[] {
  return wrap(text, Math.max(room, 20)).map((line, i) => `${i === 0 ? head : ' '.repeat(indent)}  ${line}`)
}

function verdict(isWell: boolean, path: string | undefined): string {
  if (path !== undefined)
    return isWell ? 'The object loads here.' : 'The object does not load and attach here as it is.'
  return isWell ? 'This machine is ready for BPF.' : 'Something that is needed lacks.'
}
