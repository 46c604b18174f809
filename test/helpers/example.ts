// Runs examples as users do: with only the privileges that their first lines name.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile } from 'libbpf-node/kernel'
import { afterAll, expect } from 'vitest'
import { asLesserRoot, asNobody, copyForEveryone } from './child.js'
import { kernelIs } from './kernel.js'
import { until } from './until.js'

const examplesFolder = fileURLToPath(new URL('../../examples', import.meta.url))

/** The capabilities that an example names in its first lines, and those that it also requires on a kernel this old. */
export function requirementsOf(
  name: string,
  file = name,
): { capabilities: string[]; besides: string[]; asRoot: boolean } {
  const source = readFileSync(new URL(`../../examples/${name}/${file}.ts`, import.meta.url), 'utf8')
  const [, root, list] =
    /^\/\/ Requires (root with )?((?:CAP_\w+|, | and )+)\. Linux \d+\.\d+/m.exec(source) ?? []
  if (list === undefined) throw new Error(`the first lines of ${file}.ts do not say what it requires`)
  const [, version, more] = /; before (\d+\.\d+) also (CAP_\w+)/.exec(source) ?? []
  const isOlder = version !== undefined && !kernelIs(version)
  return {
    capabilities: list.match(/CAP_\w+/g)!,
    besides: isOlder ? [more!] : [],
    asRoot: root !== undefined,
  }
}

interface Running {
  child: ChildProcess
  said: () => string
  complained: () => string
  /** Resolves with the exit status. */
  ended: Promise<number | null>
}

interface Expected {
  /** The line that it prints when it is ready. */
  ready?: RegExp
  wanted: RegExp
  /** Is called again and again until the example has printed what is wanted. */
  happen: (said: string) => unknown
  complains?: RegExp
  /** Gets the process as soon as it has started. */
  started?: (child: ChildProcess) => void
  file?: string
  /** A command that runs the example. */
  under?: string[]
}

interface Examples {
  /** Starts an example with the capabilities that it names, except for `without`. */
  start(name: string, args: string[], without?: string, file?: string, under?: string[]): Running
  /** Runs an example that ends by itself, and returns its output. */
  runToEnd(name: string, args?: string[]): Promise<string>
  /**
   * Starts an example with only the capabilities that it names and waits until it prints a line like `ready`. Then
   * makes something happen until it prints one like `wanted`, stops it with SIGINT, and returns its output.
   */
  run(name: string, args: string[], expected: Expected): Promise<string>
}

export type KernelSide = 'C' | 'TypeScript'

/** The examples whose kernel side is also in TypeScript. */
export const twins = readdirSync(examplesFolder).filter((name) =>
  existsSync(join(examplesFolder, name, `${name}.bpf.ts`)),
)

/**
 * `it` and the like for the examples that have a kernel side in this language. The title of a test begins with the name
 * of its example.
 */
export function examplesIn(
  kernelSide: KernelSide,
): <A extends unknown[]>(register: (...args: A) => void) => typeof register {
  const isTwin = (title: unknown): boolean =>
    typeof title === 'string' && twins.includes(title.split(' ')[0]!)
  return (register) =>
    (...args) => {
      if (kernelSide === 'C' || args.some(isTwin)) register(...args)
    }
}

/** Runs the examples for the tests of a file. */
export function useExamples(kernelSide: KernelSide = 'C'): Examples {
  const isTwins = kernelSide === 'TypeScript'
  const everyone = copyForEveryone('dist/examples')
  afterAll(() => everyone[Symbol.dispose]())
  // Not before it is started: a kernel may lack what another example is about.
  const compileTwin = (name: string): void => {
    const text = readFileSync(join(examplesFolder, name, `${name}.bpf.ts`), 'utf8')
    const { object } = compile(text, { file: `${name}.bpf.ts` })
    writeFileSync(`${everyone.path}/dist/examples/${name}/${name}.bpf.o`, object)
  }

  function start(name: string, args: string[], without?: string, file = name, under: string[] = []): Running {
    if (isTwins && twins.includes(name)) compileTwin(name)
    const { capabilities, besides, asRoot } = requirementsOf(name, file)
    const left = [...capabilities.filter((one) => one !== without), ...besides]
    const [command = '', ...own] = [...under, ...(asRoot ? asLesserRoot(...left) : asNobody(...left))]
    const path = `${everyone.path}/dist/examples/${name}/${file}.js`
    const child = spawn(command, [...own, process.execPath, path, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: everyone.path,
    })
    let said = ''
    let complaint = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text
    })
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    return { child, said: () => said, complained: () => complaint, ended }
  }

  async function runToEnd(name: string, args: string[] = []): Promise<string> {
    const { said, complained, ended } = start(name, args)
    expect({ status: await ended, complaint: complained() }).toEqual({ status: 0, complaint: '' })
    return said()
  }

  async function run(
    name: string,
    args: string[],
    {
      ready = /Ctrl-C to stop/,
      wanted,
      happen,
      complains = /^$/,
      started,
      file = name,
      under = [],
    }: Expected,
  ): Promise<string> {
    const { child, said, complained, ended } = start(name, args, undefined, file, under)
    started?.(child)
    const has = (what: RegExp) => () => {
      if (what.test(said())) return true
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`${name} has ended: ${said()}${complained()}`)
      return false
    }
    try {
      await until(`${name} says ${ready}`, has(ready), { seconds: 20 })
      const hasSaid = has(wanted)
      await until(
        `${name} says ${wanted}`,
        async () => {
          if (!hasSaid()) await happen(said())
          return hasSaid()
        },
        { seconds: 20 },
      )
    } finally {
      child.kill('SIGINT')
      await ended
    }
    expect(complained()).toMatch(complains)
    return said()
  }

  return { start, runToEnd, run }
}

/** Connects to a local port, sends a text, and returns the first data that arrives. */
export async function converse(port: number, text = ''): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    const answer = once(socket, 'data')
    if (text !== '') socket.write(text)
    return String((await answer)[0])
  } finally {
    socket.destroy()
  }
}
