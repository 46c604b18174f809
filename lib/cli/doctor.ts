import { budgetOf, type ProgramBudget } from '../doctor/budget.js'
import { type Finding, ok, problem } from '../doctor/finding.js'
import { examineMachine } from '../doctor/machine.js'
import { examineObject } from '../doctor/object.js'
import { features } from '../features/features.js'
import { type Command, exitCodes, UsageError, visible } from './command.js'
import { machineForJson } from './features.js'
import { columns, paint, parseOptions, print, printJson, right, table, wrap } from './output.js'

const options = {
  json: { type: 'boolean' },
  budget: { type: 'boolean' },
  'max-instructions': { type: 'string' },
} as const

export const command: Command = {
  usage: '[--json] [--budget] [--max-instructions N] [OBJECT]',
  summary: 'Check whether this machine is ready for BPF, and whether an object loads on it',
  help: `Prints one line per check: ok, note (a limitation that does not concern everybody) or problem (a requirement is
missing), and what helps. With OBJECT, a compiled BPF object such as exec.bpf.o, it also checks which capabilities the
object requires, whether this kernel supports its types of programs and maps, its helpers and the targets that it
attaches to, and whether its programs load. It tries the load if it has the privileges. Nothing stays loaded, and nothing
is attached.

      --json                print JSON
      --budget              also show how much work each program of OBJECT is for the verifier: the instructions that
                            it processed, the states that it created and held at one time, and the bytes of stack
      --max-instructions N  with --budget: a program for which the verifier processes more is a problem

The exit code is 1 if there is a problem with the machine or, if OBJECT is given, with the object.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    const [path] = positionals
    if (path === '') throw new UsageError('OBJECT is empty')
    if (positionals.length > 1) throw new UsageError('only one OBJECT can be checked at a time')
    const most = limitOf(values['max-instructions'])
    const wantsBudget = values.budget === true || most !== undefined
    if (wantsBudget && path === undefined) throw new UsageError('--budget needs an OBJECT')
    const machine = features.machine()
    const checks = examineMachine(machine)
    const object = path === undefined ? undefined : await examineObject(path)
    const budget = wantsBudget ? await budgetOf(path!, object!.programs) : undefined
    const excess = budget === undefined || most === undefined ? [] : overBudget(budget, most)
    const findings = object && [...object.findings, ...excess]
    // The object may not need what the machine lacks.
    const isWell = (findings ?? checks).every(({ state }) => state !== 'problem')
    if (values.json)
      printJson({
        ok: isWell,
        machine: machineForJson(machine),
        checks,
        ...(object !== undefined && { object: { ...object, findings } }),
        ...(budget !== undefined && { budget }),
      })
    else {
      print(show(checks))
      if (findings !== undefined) print(`\n${show(findings)}`)
      if (budget !== undefined) print(`\n${showBudget(budget)}`)
      print(`\n${verdict(isWell, path)}\n`)
    }
    return isWell ? exitCodes.ok : exitCodes.failed
  },
}

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text))
    throw new UsageError(`--max-instructions ${text} is not a number of instructions`)
  return Number(text)
}

function overBudget(budget: readonly ProgramBudget[], most: number): Finding[] {
  const over = budget.filter(({ instructions }) => instructions > most)
  if (over.length === 0) return [ok('budget', `no program takes the verifier more than ${most} instructions`)]
  return over.map(({ program, instructions }) =>
    problem(
      `budget ${program}`,
      `the verifier processes ${instructions} instructions, and the budget is ${most}`,
      'fewer branches inside of loops help, or functions that are not inlined',
    ),
  )
}

function showBudget(budget: readonly ProgramBudget[]): string {
  if (budget.length === 0)
    return 'None of its programs loads here, so there are no figures about the verifier.\n'
  const rows = budget.map((one) => [
    visible(one.program),
    String(one.instructions),
    `${((100 * one.instructions) / one.limit).toFixed(1)}%`,
    String(one.totalStates),
    String(one.peakStates),
    one.stackDepths.join('+'),
    one.duration === undefined ? '' : `${(one.duration / 1000).toFixed(1)} ms`,
  ])
  const numbers = ['instructions', 'of limit', 'states', 'peak', 'stack', 'time'].map(right)
  return table([{ title: 'program' }, ...numbers], rows)
}

const colors = { ok: 'green', note: 'yellow', problem: 'red' } as const

function show(found: readonly Finding[]): string {
  // The names in an object can contain anything.
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
      const first = `${paint(colors[state], state.padEnd(7))}  ${lines[0]}`
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
    return isWell ? 'The object loads here.' : 'The object cannot be loaded and attached here as it is.'
  return isWell ? 'This machine is ready for BPF.' : 'A requirement is missing.'
}
