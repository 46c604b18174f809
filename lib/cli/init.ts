import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, delimiter, join, resolve } from 'node:path'
import { Btf } from '../btf/btf.js'
import { clangs, machine, shortPath, targetArch } from '../codegen/clang.js'
import { packageRoot } from '../native/package-root.js'
import { type Command, exitCodes, Failed, visible } from './command.js'
import { expectNoMore, parseOptions, print } from './output.js'

/** The files of a project: what each is for, and how its content is made. */
const files: Readonly<Record<string, readonly [purpose: string, content: (folder: string) => string]>> = {
  'hello.bpf.c': [
    'runs in the kernel and sends an event whenever a program is started',
    template('hello.bpf.c'),
  ],
  'main.ts': ['loads hello.bpf.c and prints its events', template('main.ts')],
  'package.json': ['dependencies and scripts: npm run build, npm start', manifest],
  'tsconfig.json': ['settings for tsc', template('tsconfig.json')],
  'vmlinux.h': ["the types of this machine's kernel, for hello.bpf.c", kernelTypes],
  'compile_flags.txt': ['tells clangd, and so your editor, where the headers are', compileFlags],
  '.gitignore': ['what can be generated again', () => 'node_modules\ndist\n*.skel.ts\nvmlinux.h\n'],
}

export const command: Command = {
  usage: '[DIR]',
  summary: 'Create a project with a BPF program and a TypeScript program that reads its events',
  help: `Writes the files of a small project into DIR, or into the current folder. Files that already exist are kept.

${purposes(Object.keys(files))}`,
  async run(args) {
    const { positionals } = parseOptions(args, {})
    const [folder = '.', ...rest] = positionals
    expectNoMore(rest)
    init(resolve(folder))
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

function init(folder: string): void {
  mkdirSync(folder, { recursive: true })
  const names = Object.keys(files)
  const kept = names.filter((name) => existsSync(join(folder, name)))
  const problems = new Map<string, string>()
  for (const name of names.filter((name) => !kept.includes(name))) {
    try {
      write(folder, name)
    } catch (error) {
      // Only editors need vmlinux.h, because gen makes its own.
      if (name !== 'vmlinux.h') throw error
      problems.set(name, (error as Error).message)
    }
  }
  const written = names.filter((name) => !kept.includes(name) && !problems.has(name))
  const place = shortPath(folder) || '.'
  if (written.length > 0)
    print(`Wrote to ${place === '.' ? 'the current folder' : visible(place)}:\n${purposes(written)}`)
  if (kept.length > 0) print(`Kept the existing ${kept.join(', ')}\n`)
  for (const [name, reason] of problems) print(`Could not write ${name}: ${visible(reason)}\n`)
  if (!clangs.some(onPath)) {
    print('\nclang, which compiles hello.bpf.c, is not on the PATH. Install version 14 or newer:\n')
    print('  sudo apt install clang    # or with dnf, pacman, apk, zypper\n')
  }
  print(
    `\nNext:\n${nextCommands(folder, place)
      .map((line) => `  ${line}\n`)
      .join('')}`,
  )
}

/** Fails if the file exists, even as a dangling link. */
function write(folder: string, name: string): void {
  writeFileSync(join(folder, name), files[name]![1](folder), { flag: 'wx' })
}

function purposes(names: readonly string[]): string {
  const width = Math.max(...names.map((name) => name.length))
  return names.map((name) => `  ${name.padEnd(width)}  ${files[name]![0]}\n`).join('')
}

function template(name: string): () => string {
  return () => readFileSync(join(packageRoot(), 'template', name), 'utf8')
}

/** In containers you are root, without sudo. `command -v` finds a Node.js that is not on sudo's own PATH. */
const asRoot = (): string => (onPath('sudo') ? 'sudo "$(command -v node)"' : 'node')

const scripts = (): Record<string, string> => ({
  build: 'libbpf-node gen hello.bpf.c && tsc',
  start: `npm run build && ${asRoot()} dist/main.js`,
})

function manifest(folder: string): string {
  const { version, devDependencies = {} } = readManifest(packageRoot())
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '')
  const content = {
    name: name || 'hello',
    private: true,
    type: 'module',
    scripts: scripts(),
    dependencies: { 'libbpf-node': `^${version}` },
    devDependencies: Object.fromEntries(
      ['@types/node', 'typescript'].map((name) => [name, devDependencies[name]?.replace(/^\^?/, '^')]),
    ),
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

function kernelTypes(): string {
  using btf = Btf.fromKernel()
  return btf.toC()
}

/** One argument per line, as clangd reads it. Relative paths start at the file's folder. */
function compileFlags(): string {
  const flags = [
    ...['-xc', '-target', 'bpf', '-fms-extensions', '-Wno-microsoft-anon-tag'],
    ...(targetArch === undefined ? [] : [`-D__TARGET_ARCH_${targetArch}`]),
    ...['-Inode_modules/libbpf-node/include', '-Inode_modules/libbpf-node/dist/include'],
    ...(machine === undefined ? [] : ['-idirafter', `/usr/include/${machine}-linux-gnu`]),
  ]
  return `${flags.join('\n')}\n`
}

/** What the user still has to do, which is more if there was a package.json already. */
function nextCommands(folder: string, place: string): string[] {
  const { type, scripts: present = {}, dependencies, devDependencies } = readManifest(folder)
  const has = (name: string) => name in { ...dependencies, ...devDependencies }
  const settings = Object.entries(scripts())
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
