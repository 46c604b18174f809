// Walking over the parts of a function's text.
import { CompileError, Source } from '../compiler/source.js'
import { type ast, parseModule } from '../compiler/syntax.js'
import { TraceError } from './error.js'

export type FunctionNode = ast.ArrowFunctionExpression | ast.FunctionExpression | ast.ObjectMethod

/** A function, its text, or the text of an expression, which can use everything that a probe has by its name. */
export type Code = string | ((...args: never[]) => unknown)

/** The text of a function, and what the parser makes of it. */
export interface ParsedCode {
  readonly text: string
  readonly node: FunctionNode
  /** It was only an expression. */
  readonly isExpression: boolean
}

export function parseCode(code: Code): ParsedCode {
  const source = typeof code === 'function' ? Function.prototype.toString.call(code) : code
  if (typeof source !== 'string') throw new TypeError('expected a function or its text')
  if (/\{\s*\[native code\]\s*\}$/.test(source))
    throw new TraceError('the function has no text: it is bound or built in. Give its text as a string')
  if (typeof code === 'function' && /^class\b/.test(source))
    throw new TraceError('a class is not a function that can run in the kernel')
  // A method has no word in front of its name, and an expression is no function at all.
  const attempts: [string, boolean][] = [[`(${source})`, false]]
  if (typeof code === 'function') attempts.push([`({ ${source} })`, false])
  else attempts.unshift([`(() => (${listOf(source)}))`, true])
  let failure: unknown
  for (const [text, isExpression] of attempts) {
    try {
      const [statement] = parseModule(new Source('function', text))
      const node = functionIn(statement)
      if (node !== undefined) {
        // An expression that is a function was meant as that function.
        const inner = isExpression ? functionOf(node.body as ast.Expression) : undefined
        return inner === undefined ? { text, node, isExpression } : { text, node: inner, isExpression: false }
      }
      failure ??= new TraceError(`expected a function: ${source}`)
    } catch (error) {
      if (!(error instanceof CompileError)) throw error
      failure ??= error
    }
  }
  // People who come from bpftrace write this.
  if (/\w->\w/.test(source))
    throw new TraceError(`members stand behind a dot, as in args.filename: ${source}`)
  if (/\bprintf\s*\(/.test(source)) throw new TraceError(noPrintf)
  throw failure
}

export const noPrintf =
  "there is no printf in the kernel: write the values, such as 'comm, pid', and format them in JavaScript"

function functionIn(statement: ast.Statement | undefined): FunctionNode | undefined {
  if (statement?.type !== 'ExpressionStatement') return undefined
  const node = withoutParentheses(statement.expression)
  if (node.type !== 'ObjectExpression') return functionOf(node)
  const [method] = node.properties
  return method?.type === 'ObjectMethod' && node.properties.length === 1 ? method : undefined
}

function functionOf(given: ast.Expression): FunctionNode | undefined {
  const node = withoutParentheses(given)
  return node.type === 'ArrowFunctionExpression' || node.type === 'FunctionExpression' ? node : undefined
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
  const used = new Set<string>()
  const members = node.expressions.map((one, i) => {
    const own = text.slice(one.start! - 1, one.end! - 1)
    const wanted =
      one.type === 'Identifier'
        ? one.name
        : one.type === 'MemberExpression' && one.property.type === 'Identifier'
          ? one.property.name
          : `value${i}`
    const name = used.has(wanted) ? `${wanted}${i}` : wanted
    used.add(name)
    return `${name}: ${own}`
  })
  return `{ ${members.join(', ')} }`
}

/** An expression without what only TypeScript sees: parentheses, `x!`, `x as T`, `x satisfies T`. */
export function withoutParentheses(node: ast.Expression): ast.Expression {
  return node.type === 'ParenthesizedExpression' ||
    node.type === 'TSNonNullExpression' ||
    node.type === 'TSAsExpression' ||
    node.type === 'TSSatisfiesExpression'
    ? withoutParentheses(node.expression)
    : node
}

/** `a.b.c` as a name and members; `undefined` for anything else. */
export function chainOf(given: ast.Node): { root: ast.Identifier; names: string[] } | undefined {
  const node = withoutParentheses(given as ast.Expression)
  if (node.type === 'Identifier') return { root: node, names: [] }
  if (node.type !== 'MemberExpression' && node.type !== 'OptionalMemberExpression') return undefined
  const name = memberName(node)
  const outer = name === undefined ? undefined : chainOf(node.object)
  return outer && { root: outer.root, names: [...outer.names, name!] }
}

/** The name after the dot, or in brackets as text. */
function memberName({
  property,
  computed,
}: ast.MemberExpression | ast.OptionalMemberExpression): string | undefined {
  if (!computed && property.type === 'Identifier') return property.name
  return computed && property.type === 'StringLiteral' && /^\w+$/.test(property.value)
    ? property.value
    : undefined
}

/** The parts of a node that are values or statements. Names of members and of properties are not, nor are types. */
export function childrenOf(node: ast.Node): ast.Node[] {
  if (node.type === 'MemberExpression' || node.type === 'OptionalMemberExpression')
    return node.computed ? [node.object, node.property as ast.Node] : [node.object]
  if (node.type === 'ObjectProperty') return node.shorthand ? [] : [node.value]
  if (node.type === 'VariableDeclarator') return node.init ? [node.init] : []
  if (node.type.startsWith('TS') && !('expression' in node)) return []
  const children: ast.Node[] = []
  for (const [key, value] of Object.entries(node)) {
    if (['loc', 'extra', 'typeAnnotation', 'typeParameters', 'returnType', 'label'].includes(key)) continue
    for (const one of Array.isArray(value) ? value : [value]) if (isNode(one)) children.push(one)
  }
  return children
}

const isNode = (value: unknown): value is ast.Node =>
  typeof value === 'object' && value !== null && typeof (value as ast.Node).type === 'string'

/** Calls a function with a node and all its parts. */
export function forEachNode(node: ast.Node | readonly ast.Node[], visit: (node: ast.Node) => void): void {
  for (const one of Array.isArray(node) ? (node as readonly ast.Node[]) : [node as ast.Node]) {
    visit(one)
    forEachNode(childrenOf(one), visit)
  }
}
