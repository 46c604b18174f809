// npm run docs: the documentation as a web site in build/site/dist, which works without a network.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Failure, root, run, say, settings } from '../scripts/run.mjs'
import { brokenLinks } from './check-links.mjs'
import { exampleNames, examplePage } from './examples.mjs'
import { toSite } from './pages.mjs'
import { entryPoints, typedocOptions } from './typedoc.mjs'

const help = `Usage: npm run docs -- [--preview] [--verbose]

Builds the documentation site into build/site/dist. The first time it installs VitePress and TypeDoc into
build/site: about 150 packages, 150 MB, 10 to 60 seconds.

  --preview  serves the site on http://localhost:4173 afterwards, until Ctrl-C
  --verbose  shows what the tools print
`

const site = join(root, 'build/site')
const pages = join(site, 'pages')

/** Installs the tools where `npm ci` in the repository does not see them. */
async function install() {
  mkdirSync(site, { recursive: true })
  const lock = readFileSync(join(root, 'site/package-lock.json'), 'utf8')
  const marker = join(site, 'node_modules/.installed')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return
  say('docs: installing VitePress and TypeDoc: about 150 packages, 150 MB')
  for (const name of ['package.json', 'package-lock.json']) cpSync(join(root, 'site', name), join(site, name))
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: site })
  writeFileSync(marker, lock)
}

/** Copies the pages, which link to files of the repository, into the layout of the site. */
function copyPages() {
  rmSync(pages, { recursive: true, force: true })
  mkdirSync(join(pages, '.vitepress/theme'), { recursive: true })
  mkdirSync(join(pages, 'examples'))
  for (const name of ['config.mjs', 'slug.mjs'])
    cpSync(join(root, 'site', name), join(pages, '.vitepress', name))
  cpSync(join(root, 'site/theme'), join(pages, '.vitepress/theme'), { recursive: true })
  cpSync(join(root, 'site/index.md'), join(pages, 'index.md'))
  for (const name of readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))) {
    writeFileSync(join(pages, name), toSite(readFileSync(join(root, 'docs', name), 'utf8'), 'docs'))
  }
  cpSync(join(root, 'docs/plots'), join(pages, 'public/plots'), { recursive: true })
  for (const name of ['README', 'SECURITY', 'CONTRIBUTING', 'CHANGELOG']) {
    const text = toSite(readFileSync(join(root, `${name}.md`), 'utf8'), '.')
    writeFileSync(join(pages, `${name.toLowerCase()}.md`), text)
  }
  for (const name of exampleNames()) writeFileSync(join(pages, `examples/${name}.md`), examplePage(name))
}

/** The API reference: a page for each class, interface and function that is exported. */
async function writeReference() {
  const typedoc = join(site, 'node_modules/typedoc/bin/typedoc')
  writeFileSync(join(site, 'typedoc.json'), JSON.stringify(typedocOptions(join(pages, 'api')), null, 2))
  await run(process.execPath, [typedoc, '--options', join(site, 'typedoc.json')], { cwd: root })
  // TypeDoc calls an entry point by the name of its file.
  const rows = entryPoints.map(({ name, source, folder }) => {
    const page = join(pages, 'api', folder, 'index.md')
    writeFileSync(page, readFileSync(page, 'utf8').replace(/^# .*$/m, `# ${name}`))
    const [, summary = ''] = /^\/\*\*\n \* (.*)$/m.exec(readFileSync(join(root, source), 'utf8')) ?? []
    return `| [\`${name}\`](${folder}/index.md) | ${summary} |\n`
  })
  writeFileSync(join(pages, 'api/index.md'), `# API reference\n\n| Import | |\n|---|---|\n${rows.join('')}`)
}

try {
  const { values } = parseArgs({
    options: { preview: { type: 'boolean' }, verbose: { type: 'boolean' }, help: { type: 'boolean' } },
  })
  if (values.help) {
    console.log(help)
  } else {
    settings.verbose = values.verbose ?? false
    await install()
    copyPages()
    say('docs: writing the API reference')
    await writeReference()
    say('docs: building the site')
    const vitepress = join(site, 'node_modules/vitepress/bin/vitepress.js')
    await run(process.execPath, [vitepress, 'build', pages])
    const broken = brokenLinks(join(site, 'dist'))
    if (broken.length > 0) throw new Failure(broken.join('\n'))
    say('docs: build/site/dist is ready; npm run docs -- --preview serves it')
    if (values.preview) {
      settings.verbose = true
      await run(process.execPath, [vitepress, 'preview', pages, '--host', '127.0.0.1', '--port', '4173'])
    }
  }
} catch (error) {
  say(`docs: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
