// The settings of TypeDoc, for pages that VitePress shows.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../scripts/run.mjs'

/** The sources of what package.json exports, the main entry point first. */
const entryPoints = Object.values(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports)
  .map(({ types }) => types?.replace(/^\.\/dist\/(.*)\.d\.ts$/, '$1.ts'))
  .filter((path) => path !== undefined)

export const typedocOptions = (out) => ({
  entryPoints: entryPoints.map((path) => join(root, path)),
  tsconfig: join(root, 'tsconfig.json'),
  plugin: [join(root, 'build/site/node_modules/typedoc-plugin-markdown/dist/index.js')],
  out,
  name: 'API reference',
  readme: 'none',
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  disableSources: true,
  hideGenerator: true,
  hidePageHeader: true,
  hideBreadcrumbs: true,
  entryFileName: 'index',
  useCodeBlocks: true,
  expandObjects: false,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  sanitizeComments: true,
  validation: { invalidLink: true, notExported: false },
  treatValidationWarningsAsErrors: false,
  logLevel: 'Warn',
})
