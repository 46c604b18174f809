// Examples as users run them: with no more privileges than their heads say that they take.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, expect } from 'vitest'
import { asLesserRoot, asNobody, copyForEveryone } from './child.js'
import { kernelIs } from './kernel.js'
import { until } from './until.js'

/** What the head of an example says that it takes, and what it takes besides because this kernel is older than others. */
export function takes(
  name: string,
  file = name,
): { capabilities: string[]; besides: string[]; asRoot: boolean } {
  const source = readFileSync(new URL(`../../examples/${name}/${file}.ts`, import.meta.url), 'utf8')
  const [, root, list] =
    /^\/\/ Takes (root with )?((?:CAP_\w+|, | and )+)\. Linux \d+\.\d+/m.exec(source) ?? []
  if (list === undefined) throw new Error(`the head of ${file}.ts does not say what it takes`)
  const [, version, more] = /; before (\d+\.\d+) with (CAP_\w+), too/.exec(source) ?? []
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
  /** Its exit status, when it has ended. */
  ended: Promise<number | null>
}

interface Expected {
  /** What it says when it is ready. */
  ready?: RegExp
  wanted: RegExp
  /** Is called again and again until it has said what is wanted. */
  happen: (said: string) => unknown
  complains?: RegExp
  file?: string
  /** A command that runs it all. */
  under?: string[]
}

interface Examples {
  /** Starts an example with the capabilities that its head names, but for one. */
  start(name: string, args: string[], without?: string, file?: string, under?: string[]): Running
  /** An example that ends by itself. What it says. */
  runToEnd(name: string, args?: string[]): Promise<string>
  /**
   * Starts an example with just the capabilities that its head names, waits until it has said a line like `ready`, makes something happen until it has said one like
   * `wanted`, and ends it as Ctrl-C does. What it has said.
   */
  run(name: string, args: string[], expected: Expected): Promise<string>
}

/** Runs the examples for the tests of a file. */
export function useExamples(): Examples {
  const everyone = copyForEveryone('dist/examples')
  afterAll(() => everyone[Symbol.dispose]())

  function start(name: string, args: string[], without?: string, file = name, under: string[] = []): Running {
    const { capabilities, besides, asRoot } = takes(name, file)
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
    { ready = /Ctrl-C ends/, wanted, happen, complains = /^$/, file = name, under = [] }: Expected,
  ): Promise<string> {
    const { child, said, complained, ended } = start(name, args, undefined, file, under)
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

/** Connects, sends a text, and gives what comes first. */
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
