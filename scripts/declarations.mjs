// Reduces the declarations in dist/ to the public API, and describes that API in docs/api-report.txt.
//
// tsc writes one declaration file for each module, with everything that other modules use. Users only see what the
// entry points of package.json export, and the types that those exports mention. Everything else is removed here, and
// so are the members of classes that are protected or marked @internal. (tsc's stripInternal would leave imports of
// what it has removed.)
//
// Declarations as tsc prints them are regular enough to be read by lines: every statement begins in the first column,
// and every member of a class in the fifth.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { files } from './files.mjs'
import { root } from './run.mjs'

const main = ['.', 'dist/lib', 'docs/api-report.txt']
const otel = ['packages/otel', 'dist', 'packages/otel/api-report.txt']

/** @typedef {{ text: string, code: string, name?: string, isType?: boolean }} Statement */
/**
 * @typedef {{ from: string, names: Map<string, string>, isExport: boolean, text: string }} Import - local names with
 * the imported ones
 */

class Module {
  /** @type {Statement[]} */
  statements = []
  /** @type {Import[]} */
  imports = []

  constructor(path) {
    this.path = path
    for (const text of split(readFileSync(path, 'utf8'))) this.#add(text)
  }

  #add(whole) {
    const text = /^(export )?declare (abstract )?class /m.test(whole) ? withoutInternalMembers(whole) : whole
    const code = withoutComments(text).trim()
    const from = /^(import|export)\b[^;]*?\bfrom ['"](.+)['"];?$/s.exec(code)
    if (from !== null) {
      const names = new Map()
      const list = /\{(.*)\}/s.exec(code)?.[1].split(',') ?? [code]
      for (const item of list) {
        const [, imported, local] = /^\s*(?:type\s+)?([\w$]+)(?:\s+as\s+([\w$]+))?\s*$/.exec(item) ?? []
        if (imported !== undefined) names.set(local ?? imported, imported)
      }
      const target = from[2].startsWith('.')
        ? join(dirname(this.path), from[2].replace(/\.js$/, '.d.ts'))
        : from[2]
      this.imports.push({ from: target, names, isExport: from[1] === 'export', text })
      return
    }
    const [, kind, name] =
      /^(?:export )?(?:declare )?(?:abstract )?(class|interface|type|function|const|enum|namespace) ([\w$]+)/.exec(
        code,
      ) ?? []
    this.statements.push({ text, code, name, isType: !['function', 'const'].includes(kind) })
  }

  /** The statements that declare a name; a function may be overloaded. */
  declarationsOf(name) {
    return this.statements.filter((statement) => statement.name === name)
  }
}

function split(text) {
  const statements = []
  let lines = []
  let isComplete = false
  for (const line of text.split('\n')) {
    // A comment belongs to the statement after it.
    if (isComplete && /^[^\s})\]*]/.test(line)) {
      statements.push(lines.join('\n'))
      lines = []
      isComplete = false
    }
    lines.push(line)
    if (/^(?!\/\*)[^\s/]/.test(line)) isComplete = true
  }
  return isComplete ? [...statements, lines.join('\n').trimEnd()] : statements
}

function withoutInternalMembers(text) {
  const [, head, body] = /^([\s\S]*?class [^\n]*\{\n)([\s\S]*)\n\}\s*$/.exec(text) ?? []
  if (body === undefined) return text
  const members = split(body.replace(/^ {4}/gm, '')).flatMap((member) => {
    const code = withoutComments(member).trim()
    if (!member.includes('@internal') && !code.startsWith('protected ')) return [member]
    // Without any constructor, the class would have a public one.
    const comment = member.slice(0, member.indexOf(code)).replace(/ *@internal/, '')
    return /^(protected )?constructor\b/.test(code) ? [`${comment}protected constructor();`] : []
  })
  return `${head}${members.join('\n').replace(/^(?=.)/gm, '    ')}\n}`
}

function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\n/gm, '')
}

/** Everything that the entry points reach: the kept statements and the used imports of each module. */
class PublicApi {
  #folder
  #entries
  modules = new Map()
  kept = new Set()
  /** By module, the local names that are used. */
  used = new Map()

  constructor([home, folder]) {
    const { name, exports } = JSON.parse(readFileSync(join(root, home, 'package.json'), 'utf8'))
    this.#folder = join(root, home, folder)
    this.#entries = Object.entries(exports).flatMap(([entry, { types }]) =>
      types === undefined ? [] : [{ name: join(name, entry), path: join(root, home, types) }],
    )
    for (const { path } of this.#entries) this.#reachAll(path)
  }

  module(path) {
    const module = this.modules.get(path) ?? new Module(path)
    this.modules.set(path, module)
    return module
  }

  /** The names that a module exports, with the modules that declare them. */
  exportsOf(path) {
    const found = new Map()
    const module = this.module(path)
    for (const { name, code } of module.statements) {
      if (name !== undefined && code.startsWith('export ')) found.set(name, { path, name })
    }
    for (const { from, names, isExport, text } of module.imports) {
      if (!isExport || !from.startsWith(this.#folder)) continue
      const theirs = this.exportsOf(from)
      if (names.size === 0) for (const [name, place] of this.#starOf(text, theirs)) found.set(name, place)
      for (const [local, imported] of names) if (theirs.has(imported)) found.set(local, theirs.get(imported))
    }
    return found
  }

  /** What `export *` hands on; `export type *` only makes types usable. */
  #starOf(text, exported) {
    if (!/^export type \*/.test(withoutComments(text).trim())) return [...exported]
    return [...exported].filter(([, { path, name }]) => this.module(path).declarationsOf(name)[0]?.isType)
  }

  #reachAll(path) {
    const module = this.module(path)
    for (const statement of module.statements) this.#keep(module, statement)
    for (const { from, names, isExport, text } of module.imports) {
      if (!isExport) continue
      this.#use(path, names)
      if (!from.startsWith(this.#folder)) continue
      if (names.size === 0)
        for (const [, place] of this.#starOf(text, this.exportsOf(from))) this.#reach(place.path, place.name)
      for (const imported of names.values()) this.#reach(from, imported)
    }
  }

  #use(path, names) {
    const used = this.used.get(path) ?? new Set()
    for (const name of names.keys()) used.add(name)
    this.used.set(path, used)
  }

  #reach(path, name) {
    const module = this.module(path)
    for (const statement of module.declarationsOf(name)) this.#keep(module, statement)
    this.#follow(module, name)
  }

  /** A name that is not declared here is imported or handed on. */
  #follow(module, name) {
    for (const { from, names, isExport } of module.imports) {
      const imported = names.get(name)
      const isStar = isExport && names.size === 0
      if (imported === undefined && !isStar) continue
      if (imported !== undefined) this.#use(module.path, new Map([[name, imported]]))
      if (from.startsWith(this.#folder)) this.#reach(from, imported ?? name)
    }
  }

  #keep(module, statement) {
    if (this.kept.has(statement)) return
    this.kept.add(statement)
    const code = statement.code.replace(/(['"`])(?:\\.|(?!\1).)*\1/g, (text) =>
      text.startsWith('`') ? text : '',
    )
    for (const [, from, name] of statement.code.matchAll(/import\("(\.[^"]+)"\)\.([\w$]+)/g)) {
      this.#reach(join(dirname(module.path), from.replace(/\.js$/, '.d.ts')), name)
    }
    // Functions and constants are not types: only 'typeof' mentions them.
    const values = new Set([...code.matchAll(/\btypeof ([\w$]+)/g)].map(([, name]) => name))
    for (const name of new Set(code.match(/[A-Za-z_$][\w$]*/g))) {
      for (const other of module.declarationsOf(name)) {
        if (other.isType || values.has(name)) this.#keep(module, other)
      }
      this.#follow(module, name)
    }
  }

  /** The text of a module with only the public part. */
  textOf(module) {
    const used = this.used.get(module.path) ?? new Set()
    const imports = module.imports.flatMap(({ names, isExport, text }) => {
      if (isExport && names.size === 0) return [text]
      const kept = [...names.keys()].filter((name) => used.has(name))
      if (kept.length === 0) return []
      return kept.length === names.size
        ? [text]
        : [text.replace(/\{.*\}/s, (list) => pick(list, new Set(kept)))]
    })
    // Without 'export {}' everything in a declaration file is exported.
    const isExact = (code) => /^export \{\s*\};?$/.test(code)
    const statements = module.statements.filter(
      (statement) => this.kept.has(statement) || isExact(statement.code),
    )
    return `${[...imports, ...statements.map(({ text }) => text)].join('\n')}\n`
  }

  /** One paragraph for each export of each entry point, and for each type that these mention. */
  report() {
    const declared = (path, name) => this.module(path).declarationsOf(name)
    const parts = [
      'The public API, generated from the declarations by `npm run format`. Do not edit this file.\n',
    ]
    const shown = new Set()
    for (const { name: entry, path } of this.#entries) {
      parts.push(`==== ${entry}\n`)
      for (const [name, place] of [...this.exportsOf(path)].sort(byName)) {
        const statements = declared(place.path, place.name)
        if (name !== place.name) parts.push(`export { ${place.name} as ${name} }\n`)
        else if (statements.some((statement) => shown.has(statement)))
          parts.push(`export { ${name} } // see above\n`)
        else parts.push(`${statements.map(({ code }) => code).join('\n')}\n`)
        for (const statement of statements) shown.add(statement)
      }
    }
    parts.push('==== not exported, but mentioned above\n')
    const rest = [...this.modules.values()].flatMap((module) =>
      module.statements
        .filter(
          (statement) => this.kept.has(statement) && !shown.has(statement) && statement.name !== undefined,
        )
        .map(({ name, code }) => [name, code]),
    )
    for (const [, code] of rest.sort(byName)) parts.push(`${code}\n`)
    return parts.join('\n')
  }
}

const byName = ([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)

function pick(list, names) {
  const items = list.slice(1, -1).split(',')
  return `{ ${items
    .map((item) => item.trim())
    .filter((item) => names.has(item.split(/\s+/).at(-1)))
    .join(', ')} }`
}

/** Rewrites the declarations of a package. */
function reduceDeclarations([home, folder]) {
  const api = new PublicApi([home, folder])
  const texts = new Map([...api.modules].map(([path, module]) => [path, api.textOf(module)]))
  for (const name of files(join(home, folder), /\.d\.ts$/)) {
    const path = join(root, name)
    const text = texts.get(path)
    if (text === undefined) rmSync(path)
    else writeFileSync(path, text)
  }
}

/** Compares the reports with the declarations, or writes them. */
export function checkReports(write) {
  for (const [home, folder, path] of [main, otel]) {
    const report = new PublicApi([home, folder]).report()
    if (write) writeFileSync(join(root, path), report)
    else if (!existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== report) {
      throw new Error(
        `the public API is not what ${path} says: run npm run format, and look at what has changed`,
      )
    }
  }
}

if (process.argv[1] === import.meta.filename)
  reduceDeclarations(process.argv.includes('--otel') ? otel : main)
