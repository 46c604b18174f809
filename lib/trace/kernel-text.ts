// Turns a function of user space into text for the kernel side. The function itself never runs: its text is taken, and
// what it takes from its parameter is replaced by what the kernel calls it.
import type { ast } from '../compiler/syntax.js'
import { type Builtins, builtinNames, words } from './builtins.js'
import { TraceError } from './error.js'
import { namesOfFunctions } from './function-names.js'
import {
  chainOf,
  childrenOf,
  type FunctionNode,
  forEachNode,
  noPrintf,
  type ParsedCode,
  withoutParentheses,
} from './nodes.js'
import { Names, type Path, tablesOf } from './scopes.js'

export type { Code } from './nodes.js'

export type Constant = number | bigint | boolean | string
export type Constants = Readonly<Record<string, Constant>>

/** A table of a session: how calls of its functions are written on the kernel side. */
export interface TableWords {
  /** `undefined` for a function that the map itself has. @param args - as they are written on the kernel side */
  call(name: string, method: string, args: readonly string[]): string | undefined
}

export type Tables = Readonly<Record<string, TableWords>>

/** Counters that a coverage tool puts into functions. */
const instrumented = /\bcov_\w+\(\)|\b__cov_|\b_\$jscoverage\b|\b__coverage__\b/

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

/** A part of the function, and what has to stand before it. */
interface Rewritten {
  readonly before: string
  readonly text: string
}

/** The words that read text, and how many bytes there is room for. */
const textLengths: Readonly<Record<string, number>> = { comm: 16, str: 128, kstr: 128 }

/** Names that the programs around a function use: a variable of the function with such a name gets another one. */
const reserved =
  /^(arg\d|ctx|bpf|by|value|old|since|amount|slotOf|range|text\d+|probe_.*|counts|sums|best|seen|slots|begun|events|lost|stacks|stack_traces|stack_spilled|hits|kernel_stack|user_stack|char|array|data|hash|license|p\d+_\d+)$/

export class KernelText {
  readonly #text: string
  readonly #builtins: Builtins
  readonly #constants: Constants
  readonly #tables: Tables
  readonly #function: FunctionNode
  readonly #names: Names
  readonly #isExpression: boolean

  constructor(
    { text, node, isExpression }: ParsedCode,
    builtins: Builtins,
    constants: Constants,
    tables: Tables = {},
  ) {
    this.#builtins = builtins
    this.#constants = constants
    this.#tables = tables
    this.#text = text
    this.#function = node
    this.#isExpression = isExpression
    if (instrumented.test(text)) {
      throw new TraceError(
        'the function was instrumented by a coverage tool, and the kernel cannot count its lines: give its text as a string, or exclude the file from coverage',
      )
    }
    if (node.async || node.generator) throw new TraceError('a function in the kernel is not async')
    if (node.params.length > 1 && Object.keys(tables).length === 0)
      throw new TraceError('the function takes one parameter: what the probe offers')
    this.#names = new Names(node, isExpression ? [...builtinNames, ...argumentNumbers] : [])
  }

  /** The function as one value, with what comes before it. */
  expression(): KernelExpression {
    const { body } = this.#function
    if (body.type !== 'BlockStatement') return this.#value(body)
    const last = body.body.at(-1)
    if (last?.type !== 'ReturnStatement' || !last.argument) {
      throw new TraceError(`the function has to end with the value that it returns: ${this.#text}`)
    }
    const before = body.body.slice(0, -1)
    forEachNode(before, (node) => {
      if (node.type === 'ReturnStatement')
        throw new TraceError(`the function can return at its end only: ${this.#text}`)
    })
    const value = this.#value(last.argument)
    return { ...value, before: [...before.map((node) => this.#statement(node)), value.before].join('\n') }
  }

  /** The function as statements. Each return of a value becomes what `onReturn` makes of it; the others do nothing. */
  statements(onReturn: (value: string, isObject: boolean) => string): string {
    const { body } = this.#function
    const returned = (node: ast.Expression | null | undefined): string => {
      if (!node || isNothing(node)) return 'return 0'
      // `void table.set(...)` is executed, and makes no event.
      if (node.type === 'UnaryExpression' && node.operator === 'void') {
        const { before, text } = this.#rewritten(node.argument)
        return `{ ${before}\n${text}; return 0 }`
      }
      const { before, text, isObject } = this.#value(node)
      return `{ ${before}\n${onReturn(text, isObject)}; return 0 }`
    }
    if (body.type !== 'BlockStatement') {
      // `(r, { table }) => table.set(...)` returns what set returns, which is no event.
      const call = withoutParentheses(body)
      const isOfTable =
        call.type === 'CallExpression' && this.#names.path(call.callee as ast.Node)?.[0] === tablesOf
      if (!isOfTable) return returned(body)
      const { before, text } = this.#rewritten(body)
      return `${before}\n${text}\nreturn 0`
    }
    const edits: Edit[] = []
    forEachNode(body.body, (node) => {
      if (node.type === 'ReturnStatement')
        edits.push({ start: node.start!, end: node.end!, text: returned(node.argument) })
    })
    const lines = body.body.map((node) => this.#statement(node, edits))
    return [...lines, ...(isLeftAlways(body) ? [] : ['return 0'])].join('\n')
  }

  #statement(node: ast.Node, edits: readonly Edit[] = []): string {
    const { before, text } = this.#rewritten(node, edits)
    return before === '' ? text : `${before}\n${text}`
  }

  /** The function as a number. */
  number(): KernelExpression {
    const value = this.expression()
    const { body } = this.#function
    const last = body.type === 'BlockStatement' ? body.body.at(-1) : undefined
    const node = last?.type === 'ReturnStatement' ? last.argument! : (body as ast.Expression)
    if (this.#isText(node)) throw new TraceError(`${this.#textOf(node)} is text, and not a number`)
    return value
  }

  #textOf({ start, end }: ast.Node): string {
    return this.#text.slice(start!, end!)
  }

  /** Whether a node is known to be text. */
  #isText(node: ast.Node): boolean {
    const inner = withoutParentheses(node as ast.Expression)
    return (
      inner.type === 'StringLiteral' ||
      inner.type === 'TemplateLiteral' ||
      this.#textLength(inner) !== undefined
    )
  }

  #value(node: ast.Expression): KernelExpression {
    const inner = withoutParentheses(node)
    if (inner.type === 'ArrayExpression') {
      throw new TraceError(
        `values that belong together need names: write { name: value } instead of ${this.#textOf(inner)}`,
      )
    }
    return { ...this.#rewritten(inner), isObject: inner.type === 'ObjectExpression' }
  }

  /** The text of a node, with everything replaced that has another name in the kernel. */
  #rewritten(root: ast.Node, outer: readonly Edit[] = []): Rewritten {
    const edits = [...outer.filter(({ start, end }) => start >= root.start! && end <= root.end!)]
    const before: string[] = []
    const isReplaced = ({ start, end }: ast.Node): boolean =>
      edits.some((edit) => edit.end > edit.start && start! >= edit.start && end! <= edit.end)
    /** @param statement - the innermost one that stands in a list, where another one can stand before it */
    const visit = (node: ast.Node, statement: ast.Node): void => {
      if (isReplaced(node)) return
      const hoist = (line: string): void => {
        if (statement === root) before.push(line)
        else edits.push({ start: statement.start!, end: statement.start!, text: `${line}\n` })
      }
      edits.push(...this.#edits(node, hoist))
      const isList = node.type === 'BlockStatement' || node.type === 'SwitchCase'
      // What a call or a member is made of is looked at, too, unless it was replaced as a whole.
      for (const child of childrenOf(node)) visit(child, isList ? child : statement)
    }
    visit(root, root)
    return { before: before.join('\n'), text: apply(this.#text, root.start!, root.end!, edits) }
  }

  #edits(node: ast.Node, hoist: (line: string) => void): Edit[] {
    const replace = (text: string): Edit[] => [{ start: node.start!, end: node.end!, text }]
    const path = this.#names.path(node)
    if (path !== undefined) return replace(this.#pathText(path))
    switch (node.type) {
      case 'ObjectProperty':
        if (!node.shorthand || node.value.type !== 'Identifier') return []
        return replace(`${node.value.name}: ${this.#name(node.value) ?? node.value.name}`)
      case 'MemberExpression':
      case 'OptionalMemberExpression':
        return []
      case 'Identifier': {
        const text = this.#name(node)
        return text === undefined ? [] : replace(text)
      }
      case 'TSNonNullExpression':
      case 'TSAsExpression':
      case 'TSSatisfiesExpression':
        return [{ start: node.expression.end!, end: node.end!, text: '' }]
      case 'TemplateLiteral': {
        const [only] = node.quasis
        if (node.expressions.length === 0) return replace(JSON.stringify(only!.value.cooked))
        throw notPutTogether()
      }
      case 'BinaryExpression':
        return this.#comparison(node, hoist)
      case 'CallExpression':
        return this.#call(node, hoist)
      case 'VariableDeclaration':
        return this.#declaration(node)
    }
    return []
  }

  /** Text is compared in a variable of its own. */
  #comparison(node: ast.BinaryExpression, hoist: (line: string) => void): Edit[] {
    if (node.operator === '+' && (this.#isText(node.left) || this.#isText(node.right))) throw notPutTogether()
    if (!/^[!=]==?$/.test(node.operator)) return []
    const sides = [node.left, node.right].map((side) => withoutParentheses(side as ast.Expression))
    for (const side of sides) {
      const word = side.type === 'CallExpression' ? this.#wordOf(side.callee as ast.Expression) : undefined
      if (word !== undefined && Object.hasOwn(namesOfFunctions, word))
        throw new TraceError(
          `${word} becomes a name only in user space: return it or use it as a key, and compare it there`,
        )
    }
    const literal = sides.find((side) => side.type === 'StringLiteral' || side.type === 'TemplateLiteral')
    const own = this.#builtins.ownName
    const path = sides.map((side) => this.#names.path(side)).find((one) => one?.join() === 'probe')
    if (path !== undefined && literal?.type === 'StringLiteral' && own !== undefined) {
      const isTrue = (own === literal.value) === node.operator.startsWith('=')
      return [{ start: node.start!, end: node.end!, text: isTrue ? '1 === 1' : '1 === 2' }]
    }
    const edits = sides.flatMap((side) => this.#inVariable(side, hoist))
    // `==` means the same for text and numbers, and the kernel side only knows `===`.
    if (node.operator.length === 2) {
      const from = this.#text.indexOf(node.operator, node.left.end!)
      edits.push({ start: from, end: from + 2, text: `${node.operator}=` })
    }
    return edits
  }

  /** A side of a comparison, or the text that `startsWith` is called on: text gets a variable. */
  #inVariable(node: ast.Expression, hoist: (line: string) => void): Edit[] {
    const length = this.#textLength(node)
    if (length === undefined) return []
    const name = `text${this.#builtins.count()}`
    const { before, text } = this.#rewritten(node)
    if (before !== '') hoist(before)
    hoist(`const ${name}: char<${length}> = ${text}`)
    return [{ start: node.start!, end: node.end!, text: name }]
  }

  /** How many bytes text has, if a node reads some. */
  #textLength(given: ast.Expression): number | undefined {
    const node = withoutParentheses(given)
    const path = this.#names.path(node)
    if (path !== undefined) return path.length === 1 && path[0] === 'comm' ? textLengths.comm : undefined
    if (node.type !== 'CallExpression') return undefined
    const word = this.#wordOf(node.callee as ast.Expression)
    return word !== undefined && Object.hasOwn(textLengths, word) ? textLengths[word] : undefined
  }

  #call(node: ast.CallExpression, hoist: (line: string) => void): Edit[] {
    const callee = node.callee as ast.Expression
    const replace = (to: ast.Node, text: string): Edit[] => [{ start: to.start!, end: to.end!, text }]
    if (callee.type === 'MemberExpression' && callee.property.type === 'Identifier') {
      const { name } = callee.property
      const [object] = name === 'startsWith' ? this.#inVariable(callee.object as ast.Expression, hoist) : []
      if (object !== undefined) return replace(callee, `${object.text}.startsWith`)
    }
    const path = this.#names.path(callee)
    if (path?.[0] === tablesOf && path.length === 3) {
      const [, table, method] = path
      const args = node.arguments.map((argument) => {
        const { before, text } = this.#rewritten(argument)
        if (before !== '') hoist(before)
        return text
      })
      const text = this.#table(table!).call(table!, method!, args)
      return text === undefined ? [] : replace(node, text)
    }
    const word = this.#wordOf(callee)
    if (word === undefined) return []
    if (!Object.hasOwn(namesOfFunctions, word)) return replace(callee, words[word]!)
    const [address, ...more] = node.arguments
    if (address === undefined || more.length > 0) throw new TraceError(`${word} has one argument: an address`)
    const { before, text } = this.#rewritten(address)
    if (before !== '') hoist(before)
    return replace(node, namesOfFunctions[word]!(text))
  }

  /** The word that is called, also as `trace.str(...)` and `(0, imported.str)(...)`, which bundlers make of an import. */
  #wordOf(callee: ast.Expression): string | undefined {
    const node = withoutParentheses(callee)
    const path = this.#names.path(node)
    if (path !== undefined) return path.length === 1 && Object.hasOwn(words, path[0]!) ? path[0] : undefined
    const last = node.type === 'SequenceExpression' ? node.expressions.at(-1)! : node
    const chain = chainOf(last)
    if (chain === undefined || this.#names.of(chain.root) === 'local') return undefined
    const [member, ...more] = chain.names
    return more.length > 0 ? undefined : wordNamed(member ?? chain.root.name)
  }

  #declaration(node: ast.VariableDeclaration): Edit[] {
    const aliases = node.declarations.filter((one) => this.#names.aliases.has(one))
    if (aliases.length > 0) {
      if (aliases.length < node.declarations.length)
        throw new TraceError('declare other names for the members of the probe in a statement of their own')
      return [{ start: node.start!, end: node.end!, text: '' }]
    }
    return node.declarations.flatMap(({ id, init }) => {
      if (id.type !== 'Identifier') return []
      const name = this.#localName(id.name)
      const length = id.typeAnnotation || !init ? undefined : (this.#textLength(init) ?? literalLength(init))
      const end = id.start! + id.name.length
      const type = length === undefined ? '' : `: char<${length}>`
      return name === id.name && type === '' ? [] : [{ start: id.start!, end, text: `${name}${type}` }]
    })
  }

  /** What `a.b` stands for, if it begins with something that the probe has, or with a table. */
  #pathText(path: Path): string {
    if (path[0] === tablesOf) {
      if (path[1] === undefined) throw new TraceError('name the tables that you need: { name }')
      this.#table(path[1])
      return path.slice(1).join('.')
    }
    const { text, steps } = this.#builtins.text(path)
    return [text, ...path.slice(steps)].join('.')
  }

  #table(name: string): TableWords {
    const table = Object.hasOwn(this.#tables, name) ? this.#tables[name] : undefined
    if (table !== undefined) return table
    throw new TraceError(
      `the session has no '${name}'; it has ${Object.keys(this.#tables).join(', ') || 'no tables'}`,
    )
  }

  /** What a name stands for in the kernel; `undefined` if it is the same. */
  #name(node: ast.Identifier): string | undefined {
    const { name } = node
    const meaning = this.#names.of(node)
    if (meaning === 'local') {
      const own = this.#localName(name)
      return own === name ? undefined : own
    }
    if (meaning !== undefined) return this.#pathText(meaning)
    if (Object.hasOwn(this.#constants, name)) return literal(name, this.#constants[name]!)
    const word = wordNamed(name)
    if (word !== undefined) return words[word]
    if (name === 'undefined') return undefined
    if (name === 'printf' || name === 'print') throw new TraceError(noPrintf)
    if (this.#builtins.argumentNames.includes(name))
      throw new TraceError(`'${name}' is an argument of the probe: write args.${name}`)
    const otherwise = this.#isExpression
      ? `Text is written in quotes: '${name}'`
      : 'If the code was minified or bundled, give the function as a string'
    throw new TraceError(
      `'${name}' only exists in user space: pass its value as { constants: { ${name} } }. ${otherwise}`,
    )
  }

  #localName(name: string): string {
    let own = name.replaceAll(/[^\w]/g, '_')
    while (
      reserved.test(own) ||
      Object.hasOwn(this.#tables, own) ||
      (own !== name && this.#names.locals.has(own))
    )
      own = `${own}_`
    return own
  }
}

const notPutTogether = (): TraceError =>
  new TraceError(
    'text cannot be put together in the kernel: return its parts, such as { comm, pid }, and join them here',
  )

const argumentNumbers = Array.from({ length: 10 }, (_, i) => `arg${i}`)

/** The bytes that text in the source takes, with the zero byte at its end. */
function literalLength(node: ast.Expression): number | undefined {
  const isTemplate = node.type === 'TemplateLiteral' && node.expressions.length === 0
  const text =
    node.type === 'StringLiteral' ? node.value : isTemplate ? node.quasis[0]!.value.cooked : undefined
  return typeof text === 'string' ? Math.ceil((Buffer.byteLength(text) + 1) / 8) * 8 : undefined
}

/** A word of the kernel side; bundlers append $1 to names that exist twice. */
function wordNamed(name: string): string | undefined {
  const plain = name.replace(/\$\d+$/, '')
  return Object.hasOwn(words, plain) ? plain : undefined
}

const isNothing = (node: ast.Expression): boolean =>
  node.type === 'NullLiteral' ||
  (node.type === 'Identifier' && node.name === 'undefined') ||
  (node.type === 'UnaryExpression' && node.operator === 'void' && node.argument.type === 'NumericLiteral')

/** Whether nothing after a statement is ever reached. */
function isLeftAlways(node: ast.Statement | null | undefined): boolean {
  if (node?.type === 'BlockStatement') return isLeftAlways(node.body.at(-1))
  if (node?.type === 'IfStatement') return isLeftAlways(node.consequent) && isLeftAlways(node.alternate)
  return node?.type === 'ReturnStatement'
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

/** A part of a text with its edits: what is put in first, and outer edits before those in them. */
function apply(text: string, from: number, to: number, edits: readonly Edit[]): string {
  const isInsertion = ({ start, end }: Edit): number => (start === end ? 0 : 1)
  const order = (a: Edit, b: Edit): number =>
    a.start - b.start || isInsertion(a) - isInsertion(b) || b.end - a.end
  let result = ''
  let at = from
  for (const edit of [...edits].sort(order)) {
    if (edit.start < at) continue
    result += text.slice(at, edit.start) + edit.text
    at = edit.end
  }
  return result + text.slice(at, to)
}
