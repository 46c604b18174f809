// The imports of a program's file: the language itself, and what other files declare.
import * as language from './language.js'
import { nearest } from './nearest.js'
import type { Source } from './source.js'
import { type ast, eachChild, isNode } from './syntax.js'

const languageModule = 'libbpf-node/kernel'
const words = new Set(Object.keys(language))

/** Whether an import is of one of the program's own files. */
export const isLocal = ({ source }: ast.ImportDeclaration): boolean => /^\.\.?\//.test(source.value)

/** Checks an import. Types do not exist once the language is compiled, so checking their names is left to tsc. */
export function checkImport(source: Source, node: ast.ImportDeclaration): void {
  if (node.importKind === 'type' || isLocal(node)) return
  const { value } = node.source
  if (value !== languageModule) {
    source.fail(
      node.source,
      `a program in the kernel cannot import '${value}'`,
      `Only '${languageModule}' and files of your own can be imported: the kernel has nothing of Node.js.`,
    )
  }
  for (const name of namesOf(source, node, `Write import { rawTp, ringbuf } from '${languageModule}'.`)) {
    const { imported, isType } = name
    // 'u32' is both a type and a word, and other types begin with a capital letter or are of these few.
    if (!isType && !/^[A-Z]/.test(imported) && !types.has(imported) && !words.has(imported))
      source.fail(name.node, `'${languageModule}' has no '${imported}'`, nearest(imported, words))
  }
}

/** Checks an import from another file of the program, which exports some names. */
export function checkLocalImport(
  source: Source,
  node: ast.ImportDeclaration,
  exported: ReadonlySet<string>,
): void {
  const example = `Write import { Event, limit } from '${node.source.value}'.`
  for (const { imported, node: specifier } of namesOf(source, node, example)) {
    if (!exported.has(imported))
      source.fail(specifier, `'${node.source.value}' exports no '${imported}'`, nearest(imported, exported))
  }
}

interface ImportedName {
  readonly node: ast.Node
  readonly imported: string
  readonly isType: boolean
}

function namesOf(source: Source, node: ast.ImportDeclaration, example: string): ImportedName[] {
  return node.specifiers.map((specifier) => {
    if (specifier.type !== 'ImportSpecifier' || specifier.imported.type !== 'Identifier')
      return source.fail(specifier, 'on the kernel side, everything is imported by its name', example)
    const { name } = specifier.imported
    if (specifier.local.name !== name)
      source.fail(specifier, 'on the kernel side, what is imported keeps its name', `Write ${name}.`)
    return { node: specifier, imported: name, isType: specifier.importKind === 'type' }
  })
}

const types = new Set([
  'be16',
  'be32',
  'be64',
  'bytes',
  'char',
  'kernel',
  'kptr',
  'ptr',
  'spinLock',
  'timer',
  'user',
])

/**
 * Checks that a file which imports words of the language imports all that it uses, as tsc does. A file without such an
 * import, which is compiled at run time, has all of them.
 */
export function checkWords(source: Source, statements: readonly ast.Statement[]): void {
  const imported = new Set<string>()
  /** Imported with `type`, so that they are no values. */
  const onlyTypes = new Set<string>()
  for (const node of statements) {
    if (node.type !== 'ImportDeclaration' || node.source.value !== languageModule) continue
    for (const specifier of node.specifiers) {
      const isType =
        node.importKind === 'type' ||
        (specifier.type === 'ImportSpecifier' && specifier.importKind === 'type')
      imported.add(specifier.local.name)
      if (isType) onlyTypes.add(specifier.local.name)
    }
  }
  if (imported.size === 0) return
  const declared = new Set<string>()
  const used: Use[] = []
  for (const node of statements) if (node.type !== 'ImportDeclaration') namesIn(node, used, declared)
  for (const { node, isType } of used) {
    const { name } = node
    if (!words.has(name) && !types.has(name)) continue
    if (declared.has(name)) continue
    if (onlyTypes.has(name) && !isType && words.has(name))
      source.fail(
        node,
        `'${name}' is imported as a type`,
        `Leave out 'type' in front of ${name} in the import.`,
      )
    if (imported.has(name)) continue
    source.fail(node, `'${name}' is not imported`, `Add it to the import from '${languageModule}'.`)
  }
}

/** A name where it is used. */
interface Use {
  readonly node: ast.Identifier
  readonly isType: boolean
}

/** Collects the names that refer to something, in the order of the text, and those that are declared. */
function namesIn(node: ast.Node, used: Use[], declared: Set<string>, isType = false): void {
  if (node.type === 'Identifier') used.push({ node, isType })
  const isInType = /^TS(TypeReference|QualifiedName|TypeQuery)$/.test(node.type)
  eachChild(node, (child, key) => {
    const isName =
      (key === 'property' && node.type === 'MemberExpression' && !node.computed) ||
      (key === 'key' && 'computed' in node && !node.computed) ||
      (key === 'label' && node.type !== 'Identifier')
    if (isName) return
    if (child.type === 'Identifier' && (key === 'id' || key === 'params')) declared.add(child.name)
    else namesIn(child, used, declared, isInType)
  })
  // The type of a name that is declared.
  for (const one of declaredIn(node)) if (one.typeAnnotation) namesIn(one.typeAnnotation, used, declared)
}

function declaredIn(node: ast.Node): ast.Identifier[] {
  const id = 'id' in node ? [node.id] : []
  const params = 'params' in node && Array.isArray(node.params) ? (node.params as ast.Node[]) : []
  return [...id, ...params].filter(
    (one): one is ast.Identifier => isNode(one) && (one as ast.Node).type === 'Identifier',
  )
}
