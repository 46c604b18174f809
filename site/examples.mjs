// A page of the site for each example, made from its source files; the tools are on one page.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../scripts/run.mjs'

const folder = join(root, 'examples')
const tools = 'lib/tools'
const languages = { ts: 'ts', c: 'c', h: 'c', md: 'md' }

export const exampleNames = () => [
  ...readdirSync(folder).filter((name) => statSync(join(folder, name)).isDirectory()),
  'tools',
]

export function examplePage(name) {
  const place = name === 'tools' ? tools : `examples/${name}`
  const files = readdirSync(join(root, place)).filter((file) => file.split('.').at(-1) in languages)
  // The user side first, as it says how to run the example.
  files.sort((a, b) => Number(b.endsWith('.ts')) - Number(a.endsWith('.ts')) || (a < b ? -1 : 1))
  const blocks = files.map((file) => {
    const text = readFileSync(join(root, place, file), 'utf8')
    return `\`${place}/${file}\`:\n\n\`\`\`\`${languages[file.split('.').at(-1)]}\n${text}\`\`\`\`\n`
  })
  return `# Example: ${name}\n\n${blocks.join('\n')}`
}

/** For the side bar. */
export const exampleLinks = () =>
  existsSync(folder) ? exampleNames().map((name) => ({ text: name, link: `/examples/${name}` })) : []
