// Every link of the documentation leads somewhere: in the repository, and in the package that users install.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path/posix'
import { describe, expect, it } from 'vitest'
import { root } from '../codegen/helper.js'
import { readPage } from './blocks.js'

const pages = [
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

/** The text without code, in which brackets are no links. */
const prose = (markdown: string): string =>
  markdown.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, (code) => 'x'.repeat(code.length))

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(path: string): Set<string> {
  const headings = readPage(path)
    .replace(/^```[\s\S]*?^```$/gm, '')
    .matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  )
}

interface Target {
  page: string
  path: string
  anchor?: string | undefined
}

const targets: Target[] = pages.flatMap((page) =>
  [...prose(readPage(page)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^(https?|mailto):/.test(target))
    .map((target) => {
      const [file = '', anchor] = target.split('#')
      return { page, path: file === '' ? page : normalize(join(dirname(page), file)), anchor }
    }),
)

describe('links in the documentation', () => {
  it('are found in all pages', () => {
    expect(pages.length).toBeGreaterThan(15)
    expect(targets.length).toBeGreaterThan(100)
  })

  it('lead to files of the repository', () => {
    const missing = targets.filter(({ path }) => !existsSync(join(root, path)))
    expect(missing).toEqual([])
  })

  it('lead to headings that exist', () => {
    const missing = targets.filter(
      ({ path, anchor }) => anchor !== undefined && path.endsWith('.md') && !anchorsOf(path).has(anchor),
    )
    expect(missing).toEqual([])
  })

  it('lead to files of the package, as far as the pages are in it', () => {
    const pack = ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error']
    const [{ files }] = JSON.parse(execFileSync('npm', pack, { cwd: root, encoding: 'utf8' })) as [
      { files: { path: string }[] },
    ]
    const packed = files.map(({ path }) => path)
    const has = (path: string): boolean =>
      packed.includes(path) || packed.some((file) => file.startsWith(`${path}/`))
    expect(pages.filter((page) => !has(page))).toEqual([])
    expect(targets.filter(({ path }) => !has(path))).toEqual([])
  })

  it('of CONTRIBUTING.md and docs/architecture.md name paths that exist', () => {
    for (const page of ['CONTRIBUTING.md', 'docs/architecture.md']) {
      const paths = [
        ...readPage(page).matchAll(/`((?:lib|binding|types|test|scripts|docs|deps|bench|site)\/[\w./-]*)`/g),
      ]
      expect(paths.length).toBeGreaterThan(10)
      for (const [, path = ''] of paths) expect(existsSync(join(root, path)), `${page}: ${path}`).toBe(true)
    }
  })

  it('of docs/architecture.md name every room of lib/', () => {
    const text = readPage('docs/architecture.md')
    const rooms = readdirSync(join(root, 'lib'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    )
    expect(rooms.map(({ name }) => `lib/${name}`).filter((room) => !text.includes(`\`${room}\``))).toEqual([])
  })

  it('answer at least thirty questions in CONTRIBUTING.md', () => {
    const questions = readPage('CONTRIBUTING.md').match(/^\| (?:Where|Which|What|How) .*\? \| /gm) ?? []
    expect(questions.length).toBeGreaterThanOrEqual(30)
  })
})

describe('pages of the documentation', () => {
  // The lines of the changelog come from many hands.
  it.each(pages.filter((page) => page !== 'CHANGELOG.md'))('%s has lines of at most 120 columns', (page) => {
    const [written = ''] = readPage(page).split('<!-- Written by npm run test:kernels')
    const text = written.replace(/^```[\s\S]*?^```$/gm, '')
    // Tables cannot be wrapped, and samples of output should not be.
    const long = text.split('\n').filter((line) => line.length > 120 && !/^(\|| {3})/.test(line))
    expect(long).toEqual([])
  })
})
