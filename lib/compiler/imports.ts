// The imports of a program's file: only the language itself can be imported.
import * as language from './language.js'
import { nearest } from './nearest.js'
import type { Source } from './source.js'
import type { ast } from './syntax.js'

const languageModule = 'libbpf-node/kernel'
const words = new Set(Object.keys(language))

/** Checks an import. Types are gone when the language is compiled, so their names are left to tsc. */
export function checkImport(source: Source, node: ast.ImportDeclaration): void {
  if (node.importKind === 'type') return
  const { value } = node.source
  if (value !== languageModule) {
    source.fail(
      node.source,
      `a program in the kernel cannot import '${value}'`,
      value.startsWith('.')
        ? 'Declare what it needs in this file; files are linked when they are compiled: gen a.bpf.ts b.bpf.ts.'
        : `Only '${languageModule}' can be imported: the kernel has nothing of Node.js.`,
    )
  }
  for (const specifier of node.specifiers) {
    if (specifier.type !== 'ImportSpecifier' || specifier.imported.type !== 'Identifier') {
      source.fail(
        specifier,
        'the words of the kernel side are imported by their names',
        `Write import { rawTp, ringbuf } from '${languageModule}'.`,
      )
    }
    const { name } = specifier.imported
    if (specifier.local.name !== name)
      source.fail(specifier, 'the words of the kernel side keep their names', `Write ${name}.`)
    // 'u32' is both a type and a word, and other types begin with a capital letter or are of these few.
    const isType = specifier.importKind === 'type' || /^[A-Z]/.test(name) || types.has(name)
    if (!isType && !words.has(name))
      source.fail(specifier, `'${languageModule}' has no '${name}'`, nearest(name, words))
  }
}

const types = new Set(['be16', 'be32', 'be64', 'bytes', 'char', 'kernel', 'user'])

/**
 * Checks that a file which imports words of the language imports all that it uses, as tsc does. A file without such an
 * import, which is compiled at run time, has all of them.
 */
export function checkWords(source: Source, statements: readonly ast.Statement[]): void {
  const imported = new Set<string>()
  const declared = new Set<string>()
  const used: ast.Identifier[] = []
  for (const node of statements) {
    if (node.type === 'ImportDeclaration') {
      if (node.source.value !== languageModule) continue
      for (const specifier of node.specifiers) imported.add(specifier.local.name)
    } else namesIn(node, used, declared)
  }
  if (imported.size === 0) return
  for (const node of used) {
    const { name } = node
    if (!words.has(name) && !types.has(name)) continue
    if (imported.has(name) || declared.has(name)) continue
    source.fail(node, `'${name}' is not imported`, `Add it to the import from '${languageModule}'.`)
  }
}

/** The names that stand for something of their own, in the order of the text, and those that are declared. */
function namesIn(node: ast.Node, used: ast.Identifier[], declared: Set<string>): void {
  if (node.type === 'Identifier') used.push(node)
  for (const [key, child] of Object.entries(node) as [string, unknown][]) {
    const isName =
      (key === 'property' && node.type === 'MemberExpression' && !node.computed) ||
      (key === 'key' && 'computed' in node && !node.computed) ||
      (key === 'label' && node.type !== 'Identifier')
    if (isName) continue
    for (const one of Array.isArray(child) ? child : [child]) {
      if (!isNode(one)) continue
      if (one.type === 'Identifier' && (key === 'id' || key === 'params')) declared.add(one.name)
      else namesIn(one, used, declared)
    }
  }
  // The type of a name that is declared.
  for (const one of declaredIn(node)) if (one.typeAnnotation) namesIn(one.typeAnnotation, used, declared)
}

const isNode = (value: unknown): value is ast.Node =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'

function declaredIn(node: ast.Node): ast.Identifier[] {
  const id = 'id' in node ? [node.id] : []
  const params = 'params' in node && Array.isArray(node.params) ? (node.params as ast.Node[]) : []
  return [...id, ...params].filter(
    (one): one is ast.Identifier => isNode(one) && (one as ast.Node).type === 'Identifier',
  )
}
