import { BpfObject } from '../objects/object.js'
import type { Program } from '../programs/program.js'
import { type Command, exitCodes, Failed } from './command.js'
import { oneOf, parseOptions } from './output.js'
import { openAnyMap } from './select.js'
import { mapIn, Words } from './words.js'

export const command: Command = {
  usage: 'pin OBJ PATH [map MAP]',
  summary: 'Pin an iterator: a file that runs a program when it is read',
  help: `  pin OBJ PATH            load the first iterator of an object file, and pin it to PATH. 'cat PATH' then runs it for each
                          item, and shows what it prints
       map MAP              the first one over the elements of a map, for this map

MAP is an id, 'id ID', 'pinned PATH' or 'name NAME'. 'libbpf-node link detach pinned PATH' removes the iterator.

Requires CAP_BPF, CAP_PERFMON and Linux 5.8.
`,
  async run(args) {
    const [first, ...rest] = parseOptions(args, {}).positionals
    oneOf('action', ['pin'] as const, first)
    const words = new Words(rest)
    const file = words.next('OBJ')
    const path = words.next('PATH')
    const reference = words.skip('map') ? mapIn(words) : undefined
    words.end()
    using object = BpfObject.open(file)
    const programs = [...object.programs.values()]
    const isWanted = ({ section }: Program) =>
      reference === undefined || /^\??iter(?:\.s)?\/bpf_.*map/.test(section)
    const program = programs.find((one) => one.type === 'tracing' && isWanted(one))
    if (program === undefined)
      throw new Failed(
        `${file} has no iterator${reference === undefined ? '' : ' over the elements of a map'}`,
      )
    for (const one of programs) one.autoload = one === program
    await object.load()
    using map = reference === undefined ? undefined : openAnyMap(reference)
    program.attachIter(map === undefined ? {} : { map }).pin(path)
    return exitCodes.ok
  },
}
