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
