import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

import { isMap, isPair, LineCounter, parseDocument } from 'yaml'
import { packageRoot } from '../package-root.js'
import { ConfigError } from './config-error.js'
import { explainFault, type Fault, faultsOf } from './faults.js'
import type { AgentConfig, ProgramConfig } from './types.js'

/** A program as the configuration asks for it, with everything that is needed to run it. */
export interface ProgramSpec extends ProgramConfig {
  name: string
  /** An absolute path. */
  file: string
  /** Changes with the content of the file. */
  version: string
}

export interface Loaded extends AgentConfig {
  programs: ProgramSpec[]
}

const collections = resolve(packageRoot, 'collections')

/** The programs and metrics that come with the agent. */
export const collectionNames = (): string[] =>
  readdirSync(collections)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))

/** Reads a configuration. @throws ConfigError with all faults */
export function loadConfig(path: string): Loaded {
  const config = parse(path, 'config') as AgentConfig
  const faults: Fault[] = []
  if ((config.listen as unknown) === true) faults.push({ at: ['listen'], message: 'is an address, or false' })
  const names = new Set<string>()
  const programs = config.programs.map((program, i) => {
    const at = ['programs', i]
    if ((program.use === undefined) === (program.file === undefined))
      faults.push({ at, message: "needs either 'use', with the name of a collection, or 'file'" })
    const spec = specOf(program, path, (message, key) => faults.push({ at: [...at, key], message }))
    if (names.has(spec.name))
      faults.push({ at, message: `there are two programs '${spec.name}': give one another name` })
    names.add(spec.name)
    if (spec.follow !== undefined && config.user !== undefined)
      faults.push({
        at: [...at, 'follow'],
        message: "needs privileges as long as the agent runs, and 'user' gives them up",
      })
    return spec
  })
  if (faults.length > 0) throw failure(path, faults)
  return { ...config, programs }
}

function specOf(
  program: ProgramConfig,
  path: string,
  report: (message: string, key: string) => void,
): ProgramSpec {
  const { use, file } = program
  if (use !== undefined) {
    const found = resolve(collections, `${use}.yaml`)
    if (!existsSync(found)) {
      report(`there is no collection '${use}'; there are ${collectionNames().join(', ')}`, 'use')
      return { name: use, ...program, file: '', version: '' }
    }
    const collection = parse(found, 'program') as ProgramConfig
    const file = resolve(collections, collection.file!)
    return { name: use, ...collection, ...program, file, version: versionOf(file) }
  }
  const absolute = resolve(dirname(path), file ?? '')
  if (file !== undefined && !existsSync(absolute)) report(`there is no file ${absolute}`, 'file')
  const name = file?.replace(/^.*\//, '').replace(/\.bpf\.(o|ts)$/, '') ?? ''
  return { name, ...program, file: absolute, version: versionOf(absolute) }
}

function versionOf(file: string): string {
  const content = existsSync(file) && statSync(file).isFile() ? readFileSync(file) : ''
  return createHash('sha256').update(content).digest('hex')
}

function parse(path: string, what: 'config' | 'program'): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`${path}: ${(error as Error).message}`)
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [broken] = document.errors
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0])
    throw new ConfigError(`${path}:${line}:${col}: ${broken.message}`)
  }
  const value: unknown = document.toJS()
  const faults = faultsOf(value, what)
  if (faults.length > 0) throw failure(path, faults)
  return value
}

/** Puts the line of each fault in front. */
function failure(path: string, faults: readonly Fault[]): ConfigError {
  const lines = new LineCounter()
  const document = parseDocument(readFileSync(path, 'utf8'), { lineCounter: lines })
  const messages = faults.map((fault) => {
    const { line, col } = lines.linePos(offsetOf(document, fault))
    return `${path}:${line}:${col}: ${explainFault(fault)}`
  })
  return new ConfigError(messages.join('\n'))
}

/** Where the value of a path stands, or the nearest one around it; for a wrong name, the name itself. */
function offsetOf(document: ReturnType<typeof parseDocument>, { at, key }: Fault): number {
  for (let length = at.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(at.slice(0, length), true)
    if (node === undefined || node === null) continue
    if (key !== undefined && length === at.length && isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && String(item.key) === key)
      const name = pair?.key as { range?: [number, number, number] } | undefined
      if (name?.range) return name.range[0]
    }
    const { range } = node as { range?: [number, number, number] }
    if (range) return range[0]
  }
  return 0
}
