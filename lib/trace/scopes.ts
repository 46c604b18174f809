// What the names in a function stand for: something that the probe has, or a variable of the function.
import type { ast } from '../compiler/syntax.js'
import { TraceError } from './error.js'
import { chainOf, childrenOf, type FunctionNode } from './nodes.js'

/** A path from what a probe has, such as `['args', 'filename']`; the empty one is all that it has. */
export type Path = readonly string[]

/** The first step of a path that begins at the tables of a session. */
export const tablesOf = '@'

type Meaning = Path | 'local'

class Scope {
  readonly #names = new Map<string, Meaning>()
  readonly #outer: Scope | undefined

  constructor(outer?: Scope) {
    this.#outer = outer
  }

  find(name: string): Meaning | undefined {
    return this.#names.get(name) ?? this.#outer?.find(name)
  }

  set(name: string, meaning: Meaning): void {
    this.#names.set(name, meaning)
  }
}

export class Names {
  /** Identifiers that are used, with what they stand for; those of user space are missing. */
  readonly #used = new Map<ast.Node, Meaning>()
  /** Declarations that only give another name to what the probe has. */
  readonly aliases = new Set<ast.Node>()
  /** The variables of the function. */
  readonly locals = new Set<string>()

  constructor(node: FunctionNode, known: readonly string[]) {
    const scope = new Scope()
    for (const name of known) scope.set(name, [name])
    for (const [i, parameter] of node.params.entries()) {
      if (i > 1) throw new TraceError('the function takes one parameter: what the probe offers')
      this.#bind(parameter, i === 0 ? [] : [tablesOf], scope)
    }
    this.#walk(node.body, scope)
  }

  of(node: ast.Identifier): Meaning | undefined {
    return this.#used.get(node)
  }

  /** The path that `a.b.c` stands for, if it begins at the probe. */
  path(node: ast.Node): Path | undefined {
    const chain = chainOf(node)
    const begin = chain && this.#used.get(chain.root)
    return chain && begin !== undefined && begin !== 'local' ? [...begin, ...chain.names] : undefined
  }

  #bind(pattern: ast.Node, path: Path, scope: Scope): void {
    switch (pattern.type) {
      case 'Identifier':
        scope.set(pattern.name, path)
        return
      case 'AssignmentPattern':
        throw new TraceError('the members of a probe always exist: leave out the default value')
      case 'RestElement':
        throw new TraceError('take the names that you need: { ...rest } is not possible in the kernel')
      case 'ObjectPattern':
        for (const property of pattern.properties) {
          if (property.type !== 'ObjectProperty') this.#bind(property, path, scope)
          else this.#bind(property.value, [...path, keyOf(property)], scope)
        }
        return
    }
    throw new TraceError('the parameter is a name or { names }')
  }

  /** What a variable stands for: another name of something that has no value of its own, or a value. */
  #declare(declarator: ast.VariableDeclarator, scope: Scope): void {
    const { id, init } = declarator
    const chain = init ? chainOf(init) : undefined
    const begin = chain && scope.find(chain.root.name)
    const path = chain && begin !== undefined && begin !== 'local' ? [...begin, ...chain.names] : undefined
    const isAlias = path !== undefined && (id.type === 'ObjectPattern' || isWithoutValue(path))
    if (isAlias) {
      this.aliases.add(declarator)
      this.#bind(id, path, scope)
      return
    }
    for (const name of namesIn(id)) {
      scope.set(name, 'local')
      this.locals.add(name)
    }
  }

  #walk(node: ast.Node, outer: Scope): void {
    const isFunction =
      node.type === 'ArrowFunctionExpression' || /Function|ObjectMethod|Class/.test(node.type)
    if (isFunction) throw new TraceError('a function cannot contain another one in the kernel')
    const hasScope = /^(BlockStatement|ForStatement|ForOfStatement|ForInStatement|SwitchStatement)$/
    const scope = hasScope.test(node.type) ? new Scope(outer) : outer
    if (node.type === 'Identifier') {
      const meaning = scope.find(node.name)
      if (meaning !== undefined) this.#used.set(node, meaning)
      return
    }
    if (node.type === 'ObjectProperty' && node.shorthand && node.value.type === 'Identifier') {
      this.#walk(node.value, scope)
      return
    }
    if (node.type === 'VariableDeclarator') {
      // `let x = x` is an error in JavaScript, too, so the order does not matter.
      this.#declare(node, scope)
      if (node.init) this.#walk(node.init, scope)
      return
    }
    for (const child of childrenOf(node)) this.#walk(child, scope)
  }
}

/** All that a probe has, and its arguments, are names and no values. */
const isWithoutValue = (path: Path): boolean =>
  path.length === 0 || (path.length === 1 && (path[0] === 'args' || path[0] === tablesOf))

function keyOf({ key, computed }: ast.ObjectProperty): string {
  if (!computed && key.type === 'Identifier') return key.name
  if (key.type === 'StringLiteral') return key.value
  throw new TraceError('the parameter is a name or { names }')
}

function namesIn(pattern: ast.Node): string[] {
  if (pattern.type === 'Identifier') return [pattern.name]
  if (pattern.type !== 'ObjectPattern') return []
  return pattern.properties.flatMap((property) =>
    property.type === 'ObjectProperty' ? namesIn(property.value) : [],
  )
}
