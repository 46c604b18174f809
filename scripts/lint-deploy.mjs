// Reads what is in deploy/ with the tools of those who will use it: npm run lint:deploy. kustomize builds the manifests, the
// Kubernetes API's types and schemas check them, and the linter of editors reads the Dockerfiles. Neither kubeconform nor
// hadolint nor helm is in a registry that this project uses.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { kustomize } from './receivers.mjs'
import { Failure, root, run, say } from './run.mjs'

const packages = ['kubernetes-models@5.1.0', 'dockerfile-utils@0.16.3']
const folder = join(root, 'build/lint-deploy')

/** Everything that is wrong; nothing if all is well. */
export async function lintDeploy() {
  if (!existsSync(join(root, kustomize)))
    throw new Failure('there is no kustomize: scripts/setup --only receivers fetches it from Debian')
  if (!packages.every((name) => existsSync(join(folder, 'node_modules', name.replace(/@[^@]*$/, ''))))) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
    await run(
      'npm',
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', ...packages],
      { cwd: folder },
    )
  }
  return [...(await manifestFaults()), ...dockerfileFaults()]
}

async function manifestFaults() {
  const { parseAllDocuments } = createRequire(join(root, 'packages/agent/package.json'))('yaml')
  const objects = ['kubernetes', 'kubernetes-containers'].flatMap((name) => {
    const text = execFileSync(join(root, kustomize), ['build', join(root, 'deploy', name)], {
      encoding: 'utf8',
    })
    return parseAllDocuments(text).map((document) => document.toJS())
  })
  const faults = []
  const source = []
  for (const [i, object] of objects.entries()) {
    const { apiVersion, kind } = object
    const module = `kubernetes-models/${apiVersion}/${kind}`
    try {
      const { [kind]: Model } = await import(join(folder, 'node_modules', `${module}.js`))
      new Model(object).validate()
    } catch (error) {
      faults.push(`${kind}: ${error.message}`)
    }
    // The schemas allow members that they do not know. The types do not.
    source.push(`import type { I${kind} as Kind${i} } from '${module}'`)
    source.push(`export const object${i}: Kind${i} = ${JSON.stringify(object, undefined, 2)}`)
  }
  const file = join(folder, 'manifests.ts')
  writeFileSync(file, source.join('\n'))
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--types',
    '',
    '--ignoreConfig',
  ]
  const { stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', ...options, file], {
    cwd: root,
    encoding: 'utf8',
  })
  if (stdout !== '') faults.push(stdout.trim())
  say(`lint: ${objects.length} objects of Kubernetes: ${objects.map(({ kind }) => kind).join(', ')}`)
  return faults
}

function dockerfileFaults() {
  const { validate } = createRequire(join(folder, 'package.json'))('dockerfile-utils')
  const names = readdirSync(join(root, 'deploy/docker')).filter((name) => name.startsWith('Dockerfile'))
  say(`lint: ${names.join(', ')}`)
  return names.flatMap((name) =>
    validate(readFileSync(join(root, 'deploy/docker', name), 'utf8'), {}).map(
      ({ message, range }) => `deploy/docker/${name}:${range.start.line + 1}: ${message}`,
    ),
  )
}

if (process.argv[1] === import.meta.filename) {
  try {
    const faults = await lintDeploy()
    for (const fault of faults) say(fault)
    process.exitCode = faults.length > 0 ? 1 : 0
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    say(error.message)
    process.exitCode = 1
  }
}
