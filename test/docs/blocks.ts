// Reads code blocks out of the documentation, so that tests can compile and run what a reader copies.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../codegen/helper.js'

export const readPage = (path: string): string => readFileSync(join(root, path), 'utf8')

/** The code blocks of a language, in order; `''` stands for blocks without a language, which show output. */
export function codeBlocks(markdown: string, language: string): string[] {
  const blocks = markdown.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)
  return [...blocks].filter(([, info]) => info === language).map(([, , text]) => text!)
}

/** The text below a heading, up to the next heading of the same level. */
export function sectionOf(markdown: string, heading: string): string {
  const [marks = ''] = heading.split(' ')
  const start = markdown.indexOf(`\n${heading}\n`)
  if (start < 0) throw new Error(`there is no heading '${heading}'`)
  const rest = markdown.slice(start + heading.length + 1)
  const end = rest.indexOf(`\n${marks} `)
  return end < 0 ? rest : rest.slice(0, end)
}
