import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, delimiter, join, resolve } from 'node:path'
import { Btf } from '../btf/btf.js'
import { architectures, ownArchitecture } from '../codegen/architectures.js'
import { clangs, shortPath } from '../codegen/clang.js'
import { packageRoot } from '../native/package-root.js'
import { type Command, exitCodes, Failed, visible } from './command.js'
import { expectNoMore, parseOptions, print } from './output.js'
import { declarationFile } from './types.js'

/** The files of a project: what each is for, and how its content is made. */
type Files = Readonly<
  Record<string, readonly [purpose: string, content: (folder: string) => string | Promise<string>]>
>

type Language = 'ts' | 'c'

const kernelSide = 'runs in the kernel and sends an event whenever a program is started'
const ignored = 'node_modules\ndist\n*.skel.ts\n'

/** The files of a project, by the language of its kernel side. */
const files: Readonly<Record<Language, Files>> = {
  ts: {
    'hello.bpf.ts': [kernelSide, template('hello.bpf.ts')],
    'main.ts': ['loads hello.bpf.ts and prints its events', template('main.ts')],
    'package.json': [
      'dependencies and scripts: npm run build, npm start',
      (folder) => manifest(folder, 'ts'),
    ],
    'tsconfig.json': ['settings for tsc', template('tsconfig.json')],
    'kernel.d.ts': [
      "what hello.bpf.ts uses of this machine's kernel, for tsc and your editor",
      (folder) => kernelDeclarations(folder),
    ],
    '.gitignore': ['what can be generated again', () => `${ignored}kernel.d.ts\n`],
  },
  c: {
    'hello.bpf.c': [kernelSide, template('hello.bpf.c')],
    'main.ts': ['loads hello.bpf.c and prints its events', template('main.ts')],
    'package.json': ['dependencies and scripts: npm run build, npm start', (folder) => manifest(folder, 'c')],
    'tsconfig.json': ['settings for tsc', template('tsconfig.json')],
    'vmlinux.h': ["the types of this machine's kernel, for hello.bpf.c", kernelTypes],
    'compile_flags.txt': ['tells clangd, and so your editor, where the headers are', compileFlags],
    '.gitignore': ['what can be generated again', () => `${ignored}vmlinux.h\n`],
  },
}

/** Only editors need these: gen looks at the kernel itself. */
const dispensable = ['vmlinux.h', 'kernel.d.ts']

export const command: Command = {
  usage: '[--c] [DIR]',
  summary: 'Create a project with a BPF program and a TypeScript program that reads its events',
  help: `Writes the files of a small project into DIR, or into the current folder. Files that already exist are kept.

${purposes('ts', Object.keys(files.ts))}
      --c  write the kernel side in C instead, which requires clang:

${purposes('c', Object.keys(files.c))}`,
  async run(args) {
    const { values, positionals } = parseOptions(args, { c: { type: 'boolean' } })
    const [folder = '.', ...rest] = positionals
    expectNoMore(rest)
    // An existing kernel side decides, because both would become hello.skel.ts.
    const isC = values.c === true || existsSync(join(folder, 'hello.bpf.c'))
    await init(resolve(folder), isC ? 'c' : 'ts')
    return exitCodes.ok
  },
}

interface Manifest {
  version?: string
  type?: string
  scripts?: Record<string, string>
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
}

function readManifest(folder: string): Manifest {
  const path = join(folder, 'package.json')
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new Failed(`cannot read ${shortPath(path)}: ${(error as Error).message}`)
  }
}

const onPath = (name: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)))

async function init(folder: string, language: Language): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const names = Object.keys(files[language])
  const kept = names.filter((name) => existsSync(join(folder, name)))
  const problems = new Map<string, string>()
  for (const name of names.filter((name) => !kept.includes(name))) {
    try {
      await write(folder, name, language)
    } catch (error) {
      if (!dispensable.includes(name)) throw error
      problems.set(name, (error as Error).message)
    }
  }
  const written = names.filter((name) => !kept.includes(name) && !problems.has(name))
  const place = shortPath(folder) || '.'
  if (written.length > 0)
    print(
      `Wrote to ${place === '.' ? 'the current folder' : visible(place)}:\n${purposes(language, written)}`,
    )
  if (kept.length > 0) print(`Kept the existing ${kept.join(', ')}\n`)
  for (const [name, reason] of problems) print(`Could not write ${name}: ${visible(reason)}\n`)
  if (language === 'c' && !clangs.some(onPath)) {
    print('\nclang, which compiles hello.bpf.c, is not on the PATH. Install version 14 or newer:\n')
    print('  sudo apt install clang    # or with dnf, pacman, apk, zypper\n')
  }
  print(
    `\nNext:\n${nextCommands(folder, place, language)
      .map((line) => `  ${line}\n`)
      .join('')}`,
  )
}

/** Fails if the file exists, even as a dangling link. */
async function write(folder: string, name: string, language: Language): Promise<void> {
  writeFileSync(join(folder, name), await files[language][name]![1](folder), { flag: 'wx' })
}

function purposes(language: Language, names: readonly string[]): string {
  const width = Math.max(...names.map((name) => name.length))
  return names.map((name) => `  ${name.padEnd(width)}  ${files[language][name]![0]}\n`).join('')
}

function template(name: string): () => string {
  return () => readFileSync(join(packageRoot(), 'template', name), 'utf8')
}

/** In containers you are root, without sudo. `command -v` finds a Node.js that is not on sudo's own PATH. */
const asRoot = (): string => (onPath('sudo') ? 'sudo "$(command -v node)"' : 'node')

const scripts = (language: Language): Record<string, string> => ({
  build:
    language === 'c'
      ? 'libbpf-node gen hello.bpf.c && tsc'
      : 'libbpf-node gen hello.bpf.ts && libbpf-node types hello.bpf.ts && tsc',
  start: `npm run build && ${asRoot()} dist/main.js`,
})

function manifest(folder: string, language: Language): string {
  const { version, devDependencies = {} } = readManifest(packageRoot())
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '')
  const content = {
    name: name || 'hello',
    private: true,
    type: 'module',
    scripts: scripts(language),
    dependencies: { 'libbpf-node': `^${version}` },
    devDependencies: Object.fromEntries(
      ['@types/node', 'typescript'].map((name) => [name, devDependencies[name]?.replace(/^\^?/, '^')]),
    ),
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

/** The same file as `npm run build` writes. */
function kernelDeclarations(folder: string): Promise<string> {
  return declarationFile([join(folder, 'hello.bpf.ts')])
}

function kernelTypes(): string {
  using btf = Btf.fromKernel()
  return btf.toC()
}

/** One argument per line, as clangd reads it. Relative paths start at the file's folder. */
function compileFlags(): string {
  const flags = [
    ...['-xc', '-target', 'bpf', '-fms-extensions', '-Wno-microsoft-anon-tag'],
    ...(ownArchitecture === undefined ? [] : [`-D__TARGET_ARCH_${architectures[ownArchitecture].target}`]),
    ...['-Inode_modules/libbpf-node/include', '-Inode_modules/libbpf-node/dist/include'],
    ...(ownArchitecture === undefined
      ? []
      : ['-idirafter', `/usr/include/${architectures[ownArchitecture].machine}-linux-gnu`]),
  ]
  return `${flags.join('\n')}\n`
}

/** What the user still has to do, which is more if there was a package.json already. */
function nextCommands(folder: string, place: string, language: Language): string[] {
  const { type, scripts: present = {}, dependencies, devDependencies } = readManifest(folder)
  const has = (name: string) => name in { ...dependencies, ...devDependencies }
  const settings = Object.entries(scripts(language))
    .filter(([name]) => present[name] === undefined)
    .map(([name, script]) => `'scripts.${name}=${script}'`)
  if (type !== 'module') settings.unshift('type=module')
  const tools = ['@types/node', 'typescript'].filter((name) => !has(name))
  return [
    ...(place === '.' ? [] : [`cd ${/^[\w@%+=:,./-]+$/.test(place) ? place : `'${visible(place)}'`}`]),
    ...(settings.length > 0 ? [`npm pkg set ${settings.join(' ')}`] : []),
    ...(has('libbpf-node') ? ['npm install'] : ['npm install libbpf-node']),
    ...(tools.length > 0 ? [`npm install --save-dev ${tools.join(' ')}`] : []),
    'npm start    # compiles everything, then runs dist/main.js as root',
  ]
}
