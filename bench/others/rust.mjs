// libbpf-rs and Aya, built offline from Debian's packages of their crates, with the same libbpf as the addon.
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { complaint, openSuite } from '../../scripts/debian.mjs'
import { Failure, run, say } from '../../scripts/run.mjs'

const crates = { 'libbpf-rs': 'librust-libbpf-rs-dev', aya: 'librust-aya-dev' }
/** The first suite that has both. */
const suite = 'trixie'

let ready

/** Returns a trial's command and the version of a library. */
export async function rust(library, folder) {
  ready ??= build(resolve(folder, 'rust'))
  const { program, versions } = await ready
  return { command: [program, library, resolve(folder)], version: versions[library] }
}

async function build(folder) {
  const program = join(folder, 'target/release/bench')
  const registry = join(folder, 'crates/usr/share/cargo/registry')
  if (!existsSync(program)) {
    if (spawnSync('cargo', ['--version']).status !== 0) throw new Failure('cargo is not installed')
    if (!existsSync(registry)) await fetch(folder)
    cpSync('bench/others/rust', folder, { recursive: true })
    // The linker finds only static libraries here.
    const libraries = join(folder, 'lib')
    mkdirSync(libraries, { recursive: true })
    for (const [from, to] of Object.entries({ bpf: 'bpf', elf: 'elf', zlib: 'z' }))
      copyFileSync(`build/deps/lib${from}.a`, join(libraries, `lib${to}.a`))
    mkdirSync(join(folder, '.cargo'), { recursive: true })
    writeFileSync(
      join(folder, '.cargo/config.toml'),
      `[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "${registry}"\n`,
    )
    say('bench: building libbpf-rs and Aya, about 30 seconds')
    await run('cargo', ['build', '--quiet', '--release', '--offline'], {
      cwd: folder,
      env: { ...process.env, LIBBPF_SYS_LIBRARY_PATH: libraries },
    })
  }
  const versionOf = (name) =>
    readdirSync(registry)
      .find((crate) => crate.startsWith(`${name}-0`))
      .slice(name.length + 1)
  return { program, versions: Object.fromEntries(Object.keys(crates).map((name) => [name, versionOf(name)])) }
}

/** Unpacks the crates and all that they need. */
async function fetch(folder) {
  say(`bench: fetching the crates of libbpf-rs and Aya from Debian ${suite}, 15 MB`)
  const { files, apt, update } = openSuite(join(folder, 'apt'), suite, 'deb', { trusted: true })
  const check = (result) => {
    if (result.status !== 0) throw new Failure(complaint(result) ?? `apt: ${result.stderr}`)
    return result.stdout
  }
  check(update)
  const only = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  )
  const tree = check(apt('apt-cache', 'depends', '--recurse', ...only, ...Object.values(crates)))
  // Lines that are not indented are packages; virtual ones are in brackets.
  const names = tree.split('\n').filter((line) => /^librust-[\w.+-]*$/.test(line))
  check(apt('apt-get', 'download', ...names))
  for (const file of readdirSync(files).filter((name) => name.endsWith('.deb')))
    await run('dpkg-deb', ['-x', join(files, file), join(folder, 'crates')])
}
