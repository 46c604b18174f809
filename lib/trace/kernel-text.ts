// A function of user space as it is written on the kernel side. The function itself never runs: its text is taken, and
// what it takes out of its parameter becomes what the kernel calls it.
import { CompileError, Source } from '../compiler/source.js'
import { type ast, parseModule } from '../compiler/syntax.js'
import type { Builtins } from './builtins.js'
import { builtinNames } from './builtins.js'
import { TraceError } from './error.js'

export type Constant = number | bigint | boolean | string
export type Constants = Readonly<Record<string, Constant>>

/** Words that mean the same on the kernel side as here. Imports can have other names in front of them. */
const words: Readonly<Record<string, string>> = {
  str: 'bpf.probeReadUserStr',
  kstr: 'bpf.probeReadKernelStr',
  ...Object.fromEntries(
    ['u8', 'u16', 'u32', 'u64', 's8', 's16', 's32', 's64', 'range', 'bpf'].map((word) => [word, word]),
  ),
}

/** Counters that a coverage tool puts into functions. */
const instrumented = /\bcov_\w+\(\)|\b__cov_|\b_\$jscoverage\b|\b__coverage__\b/

type FunctionNode = ast.ArrowFunctionExpression | ast.FunctionExpression

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

export interface KernelExpression {
  /** The statements before it. */
  readonly before: string
  readonly text: string
  readonly isObject: boolean
}

/** A function, or the text of one, or of an expression in which everything a probe has can be named. */
export type Code = string | ((...args: never[]) => unknown)

export class KernelText {
  readonly #text: string
  readonly #builtins: Builtins
  readonly #constants: Constants
  readonly #function: FunctionNode
  /** What the names of the parameter stand for: a path from what a probe has. */
  readonly #bindings = new Map<string, readonly string[]>()
  readonly #locals = new Set<string>()

  constructor(code: Code, builtins: Builtins, constants: Constants) {
    this.#builtins = builtins
    this.#constants = constants
    const { text, node, isExpression } = parseCode(code)
    this.#text = text
    this.#function = node
    if (instrumented.test(text)) {
      throw new TraceError(
        'the function was instrumented by a coverage tool, and the kernel cannot count its lines: give its text as a string, or exclude the file from coverage',
      )
    }
    if (isExpression)
      for (const name of [...builtinNames, ...argumentNumbers]) this.#bindings.set(name, [name])
    if (node.params.length > 1) throw new TraceError('the function has one parameter: what the probe has')
    if (node.async || node.generator) throw new TraceError('a function in the kernel is not async')
    const [parameter] = node.params
    if (parameter !== undefined) this.#bind(parameter, [])
    forEachNode(node.body, (inner) => {
      if (inner.type === 'VariableDeclarator' && inner.id.type === 'Identifier')
        this.#locals.add(inner.id.name)
    })
  }

  /** The function as one value, with what comes before it. */
  expression(): KernelExpression {
    const { body } = this.#function
    if (body.type !== 'BlockStatement') return { before: '', ...this.#value(body) }
    const last = body.body.at(-1)
    if (last?.type !== 'ReturnStatement' || !last.argument) {
      throw new TraceError(`the function has to end with the value that it returns: ${this.#text}`)
    }
    const before = body.body.slice(0, -1)
    forEachNode(before, (node) => {
      if (node.type === 'ReturnStatement')
        throw new TraceError(`the function can return at its end only: ${this.#text}`)
    })
    return { before: before.map((node) => this.#rewritten(node)).join('\n'), ...this.#value(last.argument) }
  }

  /** The function as statements. Each return of a value becomes what `onReturn` makes of it; the others do nothing. */
  statements(onReturn: (value: string, isObject: boolean) => string): string {
    const { body } = this.#function
    const returned = (node: ast.Expression | null | undefined): string => {
      if (!node || isNothing(node)) return 'return 0'
      const { text, isObject } = this.#value(node)
      return `{ ${onReturn(text, isObject)}; return 0 }`
    }
    if (body.type !== 'BlockStatement') return returned(body)
    const edits: Edit[] = []
    forEachNode(body.body, (node) => {
      if (node.type === 'ReturnStatement')
        edits.push({ start: node.start!, end: node.end!, text: returned(node.argument) })
    })
    return body.body.map((node) => this.#rewritten(node, edits)).join('\n')
  }

  #value(node: ast.Expression): { text: string; isObject: boolean } {
    const inner = withoutParentheses(node)
    return { text: this.#rewritten(inner), isObject: inner.type === 'ObjectExpression' }
  }

  #bind(pattern: ast.Node, path: readonly string[]): void {
    if (pattern.type === 'Identifier') {
      this.#bindings.set(pattern.name, path)
      return
    }
    if (pattern.type !== 'ObjectPattern') throw new TraceError('the parameter is a name or { names }')
    for (const property of pattern.properties) {
      if (property.type !== 'ObjectProperty' || property.key.type !== 'Identifier' || property.computed)
        throw new TraceError('the parameter is a name or { names }')
      this.#bind(property.value, [...path, property.key.name])
    }
  }

  /** The text of a node with everything replaced that has another name in the kernel. */
  #rewritten(node: ast.Node, outer: readonly Edit[] = []): string {
    const edits = [...outer.filter(({ start, end }) => start >= node.start! && end <= node.end!)]
    const isReplaced = ({ start, end }: ast.Node): boolean =>
      edits.some((edit) => start! >= edit.start && end! <= edit.end)
    const visit = (node: ast.Node): void => {
      if (isReplaced(node)) return
      const edit = this.#edit(node)
      if (edit !== undefined) edits.push(edit)
      // What a call or a member is made of is looked at, too, unless it was replaced as a whole.
      for (const child of childrenOf(node)) visit(child)
    }
    visit(node)
    return apply(this.#text, node.start!, node.end!, edits)
  }

  #edit(node: ast.Node): Edit | undefined {
    const replace = (to: ast.Node, text: string): Edit => ({ start: node.start!, end: to.end!, text })
    if (node.type === 'ObjectProperty' && node.shorthand && node.key.type === 'Identifier') {
      const text = this.#name(node.key)
      return { start: node.start!, end: node.end!, text: `${node.key.name}: ${text ?? node.key.name}` }
    }
    if (node.type === 'MemberExpression') {
      const chain = chainOf(node)
      const path = chain && this.#bindings.get(chain.root.name)
      if (!chain || path === undefined) return undefined
      const whole = [...path, ...chain.names]
      const { text, steps } = this.#builtins.text(whole)
      const rest = whole.slice(steps).map((name) => `.${name}`)
      // A longer chain that could not be followed, such as x.y[0].z, goes on behind this node.
      return replace(node, `${text}${rest.join('')}`)
    }
    if (node.type === 'CallExpression') {
      const word = wordOf(node.callee as ast.Expression)
      if (word !== undefined && word !== 'bpf' && !this.#locals.has(word))
        return { start: node.callee.start!, end: node.callee.end!, text: words[word]! }
      return undefined
    }
    if (node.type === 'Identifier') {
      const text = this.#name(node)
      return text === undefined ? undefined : replace(node, text)
    }
    return undefined
  }

  /** What a name stands for in the kernel; `undefined` if it is the same. */
  #name({ name }: ast.Identifier): string | undefined {
    if (this.#locals.has(name)) return undefined
    const path = this.#bindings.get(name)
    if (path !== undefined) {
      const { text, steps } = this.#builtins.text(path)
      return `${text}${path
        .slice(steps)
        .map((step) => `.${step}`)
        .join('')}`
    }
    if (Object.hasOwn(this.#constants, name)) return literal(name, this.#constants[name]!)
    if (Object.hasOwn(words, name) || name === 'undefined') return undefined
    throw new TraceError(
      `'${name}' only exists in user space: pass its value as { constants: { ${name} } }. If the code was minified or bundled, give the function as a string`,
    )
  }
}

const argumentNumbers = Array.from({ length: 10 }, (_, i) => `arg${i}`)

function parseCode(code: Code): { text: string; node: FunctionNode; isExpression: boolean } {
  const source = typeof code === 'function' ? Function.prototype.toString.call(code) : code
  if (typeof source !== 'string') throw new TypeError('expected a function or its text')
  if (/\{\s*\[native code\]\s*\}$/.test(source))
    throw new TraceError('the function has no text: it is bound or built in. Give its text as a string')
  // A method has no word in front of its name, and an expression is no function at all.
  const attempts: [string, boolean][] = [[`(${source})`, false]]
  if (typeof code === 'function') attempts.push([`(function ${source})`, false])
  else attempts.unshift([`(() => (${listOf(source)}))`, true])
  let failure: unknown
  for (const [text, isExpression] of attempts) {
    try {
      const [statement] = parseModule(new Source('function', text))
      const node =
        statement?.type === 'ExpressionStatement' ? withoutParentheses(statement.expression) : undefined
      if (node?.type === 'ArrowFunctionExpression' || node?.type === 'FunctionExpression') {
        // An expression that is a function was meant as that function.
        const inner = isExpression ? withoutParentheses(node.body as ast.Expression) : undefined
        if (inner?.type === 'ArrowFunctionExpression' || inner?.type === 'FunctionExpression')
          return { text, node: inner, isExpression: false }
        return { text, node, isExpression }
      }
      failure ??= new TraceError(`expected a function: ${source}`)
    } catch (error) {
      if (!(error instanceof CompileError)) throw error
      failure ??= error
    }
  }
  throw failure
}

/** `comm, args.flags` is short for `{ comm, flags: args.flags }`. */
function listOf(text: string): string {
  let parsed: ast.Statement | undefined
  try {
    ;[parsed] = parseModule(new Source('expression', `(${text})`))
  } catch {
    return text
  }
  const node = parsed?.type === 'ExpressionStatement' ? withoutParentheses(parsed.expression) : undefined
  if (node?.type !== 'SequenceExpression') return text
  const members = node.expressions.map((one, i) => {
    const own = text.slice(one.start! - 1, one.end! - 1)
    const name =
      one.type === 'Identifier'
        ? one.name
        : one.type === 'MemberExpression' && one.property.type === 'Identifier'
          ? one.property.name
          : `value${i}`
    return `${name}: ${own}`
  })
  return `{ ${members.join(', ')} }`
}

function withoutParentheses(node: ast.Expression): ast.Expression {
  return node.type === 'ParenthesizedExpression' ? withoutParentheses(node.expression) : node
}

const isNothing = (node: ast.Expression): boolean =>
  node.type === 'NullLiteral' ||
  (node.type === 'Identifier' && node.name === 'undefined') ||
  (node.type === 'UnaryExpression' && node.operator === 'void')

/** `a.b.c` as a name and members; `undefined` for anything else. */
function chainOf(node: ast.Expression): { root: ast.Identifier; names: string[] } | undefined {
  if (node.type === 'Identifier') return { root: node, names: [] }
  if (node.type !== 'MemberExpression' || node.computed || node.property.type !== 'Identifier')
    return undefined
  const outer = chainOf(node.object as ast.Expression)
  return outer && { root: outer.root, names: [...outer.names, node.property.name] }
}

/** The word that is called, also as `(0, imported.str)(...)`, which is what bundlers make of an import. */
function wordOf(callee: ast.Expression): string | undefined {
  const node = withoutParentheses(callee)
  const last = node.type === 'SequenceExpression' ? node.expressions.at(-1)! : node
  if (last.type === 'Identifier') return Object.hasOwn(words, last.name) ? last.name : undefined
  const isImport =
    last.type === 'MemberExpression' &&
    last.object.type === 'Identifier' &&
    /import/.test(last.object.name) &&
    last.property.type === 'Identifier'
  const name = isImport ? (last.property as ast.Identifier).name : undefined
  return name !== undefined && Object.hasOwn(words, name) ? name : undefined
}

function literal(name: string, value: Constant): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'bigint':
      return value < 0n ? `(${value}n)` : `${value}n`
    case 'boolean':
      return String(value)
    case 'number':
      if (Number.isSafeInteger(value)) return value < 0 ? `(${value})` : String(value)
  }
  throw new TraceError(`the constant ${name} is neither a whole number, a bigint, a boolean nor a string`)
}

/** The parts of a node that are looked at. Names of members and of properties are not. */
function childrenOf(node: ast.Node): ast.Node[] {
  if (node.type === 'MemberExpression')
    return node.computed ? [node.object, node.property as ast.Node] : [node.object]
  if (node.type === 'ObjectProperty') return node.shorthand ? [] : [node.value]
  if (node.type === 'VariableDeclarator') return node.init ? [node.init] : []
  if (node.type === 'CallExpression') {
    const word = wordOf(node.callee as ast.Expression)
    return word === undefined ? [node.callee, ...node.arguments] : [...node.arguments]
  }
  const children: ast.Node[] = []
  for (const [key, value] of Object.entries(node)) {
    if (key === 'loc' || key === 'extra' || key === 'typeAnnotation' || key === 'label') continue
    for (const one of Array.isArray(value) ? value : [value]) if (isNode(one)) children.push(one)
  }
  return children
}

const isNode = (value: unknown): value is ast.Node =>
  typeof value === 'object' && value !== null && typeof (value as ast.Node).type === 'string'

function forEachNode(node: ast.Node | readonly ast.Node[], visit: (node: ast.Node) => void): void {
  for (const one of Array.isArray(node) ? (node as readonly ast.Node[]) : [node as ast.Node]) {
    visit(one)
    if (one.type === 'ArrowFunctionExpression' || one.type === 'FunctionExpression')
      throw new TraceError('a function cannot contain another one in the kernel')
    forEachNode(childrenOf(one), visit)
  }
}

/** A part of a text with its edits, of which the outer ones come first. */
function apply(text: string, from: number, to: number, edits: readonly Edit[]): string {
  let result = ''
  let at = from
  for (const edit of [...edits].sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (edit.start < at) continue
    result += text.slice(at, edit.start) + edit.text
    at = edit.end
  }
  return result + text.slice(at, to)
}
