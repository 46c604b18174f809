// The files of a program: what it imports is compiled with it, as if everything were in one file.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { hooks } from './hooks/kinds.js'
import { checkImport, checkLocalImport, checkWords, isLocal } from './imports.js'
import type { Part, Source } from './source.js'
import { type ast, calledName, parseModule } from './syntax.js'

interface File {
  readonly path: string
  readonly statements: ast.Statement[]
  readonly exported: ReadonlySet<string>
  /** Another file imports more than types from it. */
  hasValues: boolean
}

export interface Files {
  /** What the file itself declares, without `export`. */
  readonly own: ast.Statement[]
  /** What it imports from other files. */
  readonly imported: ast.Statement[]
  /** The names that the file itself exports. */
  readonly exported: ReadonlySet<string>
  /** The paths of the other files. */
  readonly paths: string[]
  /** Refuses words of the language that a file uses and does not import. */
  expectWords(): void
}

/** Reads the files that a file imports, and those that they import. */
export function readFiles(source: Source, folder: string): Files {
  const files = new Map<string, File>()
  // What a file imports comes before it: its constants may be used there.
  const inOrder: File[] = []
  const load = (part: Part, path: string, hasValues: boolean): File => {
    const file = { path, hasValues, ...parseFile(source, part) }
    files.set(path, file)
    follow(file, part.file)
    inOrder.push(file)
    return file
  }
  const follow = (file: File, name: string) => {
    for (const node of file.statements) {
      if (node.type !== 'ImportDeclaration') continue
      if (file.hasValues) checkImport(source, node)
      if (!isLocal(node)) continue
      const path = pathOf(source, node, dirname(file.path))
      if (path === undefined) continue
      const hasValues = file.hasValues && node.importKind !== 'type'
      let other = files.get(path)
      if (other === undefined) {
        const shown = join(dirname(name), dirname(node.source.value), basename(path))
        other = load(source.add(shown, readFileSync(path, 'utf8')), path, hasValues)
      } else if (hasValues && !other.hasValues) {
        other.hasValues = true
        follow(other, name)
      }
      checkLocalImport(source, node, other.exported)
    }
  }
  const main = load(source.main, resolve(folder, basename(source.file)), true)
  const imported = inOrder
    .filter((file) => file !== main)
    .map(({ path, statements, hasValues }) => ({
      path,
      hasValues,
      statements: statements.flatMap((node) => withoutPrograms(node, hasValues)),
    }))
  expectDifferentNames(source, [main, ...imported])
  return {
    own: main.statements,
    imported: imported.flatMap(({ statements }) => statements),
    exported: main.exported,
    paths: imported.map(({ path }) => path),
    expectWords() {
      for (const { statements, hasValues } of [main, ...imported])
        if (hasValues) checkWords(source, statements)
    },
  }
}

function parseFile(source: Source, part: Part): Pick<File, 'statements' | 'exported'> {
  const exported = new Set<string>()
  const statements = parseModule(source, part).map((node) => {
    if (node.type !== 'ExportNamedDeclaration' || !node.declaration) return node
    for (const { name } of declaredBy(node.declaration)) exported.add(name)
    return node.declaration
  })
  return { statements, exported }
}

/** The file that is imported; undefined for declarations of types, which are for tsc. */
function pathOf(source: Source, node: ast.ImportDeclaration, folder: string): string | undefined {
  const { value } = node.source
  if (/\.d\.[cm]?ts$/.test(value)) return undefined
  // tsc wants the extension of its output, and bundlers want none.
  const name = value.replace(/\.([cm]?)js$/, '.$1ts')
  const names = /\.[cm]?ts$/.test(name) ? [name, `${value}.ts`] : [`${value}.ts`]
  for (const one of names) {
    const path = resolve(folder, one)
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) return path
  }
  // The declarations of a package's or generated file.
  const declarations = resolve(folder, value).replace(/(\.[cm]?js)?$/, '.d.ts')
  if (node.importKind === 'type' && existsSync(declarations)) return undefined
  return source.fail(
    node.source,
    `there is no file '${names[0]}'`,
    'An import is relative to the file that it is in.',
  )
}

/** What other files get: everything but the programs, or only the types if they import no values. */
function withoutPrograms(node: ast.Statement, hasValues: boolean): ast.Statement[] {
  const isType = ['TSInterfaceDeclaration', 'TSTypeAliasDeclaration', 'TSEnumDeclaration'].includes(node.type)
  if (!hasValues) return isType ? [node] : []
  if (node.type !== 'VariableDeclaration') return [node]
  const declarations = node.declarations.filter(({ id, init }) => {
    if (id.type === 'Identifier' && id.name === 'license') return false
    return !Object.hasOwn(hooks, calledName(init))
  })
  return declarations.length > 0 ? [{ ...node, declarations }] : []
}

function expectDifferentNames(source: Source, files: readonly Pick<File, 'path' | 'statements'>[]): void {
  const known = new Map<string, { path: string; node: ast.Identifier }>()
  for (const { path, statements } of files) {
    for (const node of statements.flatMap(declaredBy)) {
      const other = known.get(node.name)
      if (other !== undefined && other.path !== path) {
        const { file: name, line } = source.place(other.node.start!)
        source.fail(
          node,
          `'${node.name}' is also declared in ${name}:${line}`,
          'A file is compiled with those that it imports, as if they were one: give one of them another name.',
        )
      }
      known.set(node.name, { path, node })
    }
  }
}

/** The names that a statement at the top of a file declares. */
function declaredBy(node: ast.Statement): ast.Identifier[] {
  const ids =
    node.type === 'VariableDeclaration'
      ? node.declarations.map(({ id }) => id)
      : 'id' in node
        ? [node.id]
        : []
  return ids.filter((id): id is ast.Identifier => (id as ast.Node | null | undefined)?.type === 'Identifier')
}
