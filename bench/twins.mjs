// npm run bench -- twins: examples whose kernel side exists in C and in TypeScript. It compares how many instructions
// clang -O2 and our compiler make of them, and how long they run where the kernel can run them on request.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { ethernet, ipv4, packet, udp } from 'libbpf-node/testing'
import { run } from '../scripts/run.mjs'
import { median } from './measure.mjs'

const rounds = 15
const repeat = 20_000

/** Names of examples with both sides. */
export const twins = () =>
  readdirSync('examples').filter((name) => existsSync(`examples/${name}/${name}.bpf.ts`))

export async function compareTwins() {
  await run('scripts/setup', ['--only', 'bpf,examples'])
  const rows = twins().flatMap(compare)
  const print = (line) => process.stdout.write(`${line}\n`)
  print('| program | TypeScript | C | ratio | in the kernel | ratio | time |')
  print('|---|---:|---:|---:|---:|---:|---:|')
  for (const row of rows) {
    const { name, ours, theirs, ownXlated, xlated, time } = row
    const kernel = ownXlated ? `${ownXlated} / ${xlated}` : ''
    print(
      `| ${name} | ${ours} | ${theirs} | ${ratio(ours / theirs)} | ${kernel} | ${ratio(ownXlated / xlated)} | ${ratio(time)} |`,
    )
  }
  const middle = (of) => ratio(median(rows.map(of).filter(Number.isFinite)))
  const [instructions, kernel] = [
    middle((row) => row.ours / row.theirs),
    middle((row) => row.ownXlated / row.xlated),
  ]
  print(`| **median** | | | ${instructions} | | ${kernel} | ${middle((row) => row.time)} |`)
}

const ratio = (value) => (Number.isFinite(value) ? value.toFixed(2) : '')

/** One row for each program of an example. */
function compare(name) {
  const text = readFileSync(`examples/${name}/${name}.bpf.ts`, 'utf8')
  const own = BpfObject.open(compile(text, { file: `${name}.bpf.ts` }).object)
  const c = BpfObject.open(`dist/examples/${name}/${name}.bpf.o`)
  const loaded = [own, c].every(loads)
  const rows = [...own.programs.values()].map((program) => {
    // Functions of struct_ops have the name of their struct in front.
    const twin = c.program(
      [...c.programs.keys()].find((name) => program.name === name || program.name.endsWith(`_${name}`)),
    )
    return {
      name: own.programs.size === 1 ? name : `${name}: ${program.name}`,
      ours: program.instructions.length / 8,
      theirs: twin.instructions.length / 8,
      ownXlated: loaded ? sizeOf(program) : undefined,
      xlated: loaded ? sizeOf(twin) : undefined,
      time: loaded ? timeOf(program, twin) : undefined,
    }
  })
  own.close()
  c.close()
  return rows
}

/** Loads an object, or says that this kernel does not. Its programs then have their subprograms. */
function loads(object) {
  try {
    object.loadSync()
    return true
  } catch {
    return false
  }
}

const sizeOf = (program) => program.info().xlatedSize / 8

/** The median time of our program relative to the other, or undefined if the kernel cannot run it. */
function timeOf(program, twin) {
  const data = packet(ethernet(), ipv4(), udp(), 'text')
  const once = (one) => one.testRunSync({ data, repeat }).duration
  try {
    once(program)
  } catch {
    return undefined
  }
  const ratios = Array.from({ length: rounds }, () => once(program) / once(twin))
  return median(ratios)
}
