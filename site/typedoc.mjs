// The settings of TypeDoc, for pages that VitePress shows.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../scripts/run.mjs'

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** What users import, the main entry point first, with its source and its folder of the reference. */
export const entryPoints = Object.entries(exports)
  .filter(([, { types }]) => types !== undefined)
  .map(([name, { types }]) => {
    const source = types.replace(/^\.\/dist\/(.*)\.d\.ts$/, '$1.ts')
    return {
      name: name.replace('.', 'libbpf-node'),
      source,
      folder: source.slice('lib/'.length, -'.ts'.length),
    }
  })

export const typedocOptions = (out) => ({
  entryPoints: entryPoints.map(({ source }) => join(root, source)),
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
