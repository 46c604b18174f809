// A runtime for musl on Debian. The npm registry has no Node.js for musl, but it has Bun. Bun needs GCC's libstdc++,
// which Debian only has for glibc, so the few parts that Bun uses are linked again, with musl.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npmPackage } from './npm-package.mjs'
import { Failure, root, run } from './run.mjs'
import { ensurePrograms } from './tools.mjs'
import { zigEnvironment } from './zig.mjs'

const folder = join(root, 'build/musl')
// Debian's musl, where Bun expects its loader.
const loader = '/lib/ld-musl-x86_64.so.1'

// What libstdc++ needs from glibc and musl 1.2.3 lacks. Because _dl_find_object returns -1, libgcc's unwinder falls
// back.
const fromGlibc = `char __libc_single_threaded;
int _dl_find_object(void *address, void *result) { return -1; }
unsigned arc4random(void) { return 4; }
`

/**
 * Returns the path of Bun, and the environment for it and for vitest, whose rolldown has native code: `{ program, env
 * }`.
 */
export async function muslBun() {
  await ensurePrograms({ [loader]: 'musl', readelf: 'binutils', patchelf: 'patchelf', 'c++': 'g++' })
  const bun = join(await npmPackage('@oven/bun-linux-x64-musl'), 'bin/bun')
  mkdirSync(folder, { recursive: true })
  await linkLibstdcxx(bun)
  // LD_LIBRARY_PATH would also affect the programs that tests start.
  const program = join(folder, 'bun')
  await run('patchelf', ['--set-rpath', '$ORIGIN', '--output', program, bun])
  chmodSync(program, 0o755)
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/rolldown/package.json'), 'utf8'))
  const rolldown = await npmPackage('@rolldown/binding-linux-x64-musl', version)
  return {
    program,
    env: { NAPI_RS_NATIVE_LIBRARY_PATH: join(rolldown, 'rolldown-binding.linux-x64-musl.node') },
  }
}

async function linkLibstdcxx(program) {
  const [own, libc] = await Promise.all([program, loader].map(symbolsOf))
  const inLibc = new Set(libc.defined)
  const wanted = own.wanted.filter((name) => !inLibc.has(name))
  const archives = await Promise.all(
    ['libstdc++.a', 'libgcc_eh.a', 'libgcc.a'].map((name) => run('c++', [`-print-file-name=${name}`])),
  )
  const source = join(folder, 'from-glibc.c')
  writeFileSync(source, fromGlibc)
  const env = await zigEnvironment(join(root, 'build/prebuild/cache'))
  const library = join(folder, 'libstdc++.so.6')
  const flags = ['-target', 'x86_64-linux-musl', '-shared', '-nostdlib++', '-Wl,-soname,libstdc++.so.6']
  const inputs = [source, ...archives.map((name) => name.trim())]
  await run(env.ZIG, ['cc', ...flags, '-o', library, ...wanted.map((name) => `-Wl,-u,${name}`), ...inputs], {
    env,
  })
  const { defined } = await symbolsOf(library)
  const missing = wanted.filter((name) => !defined.includes(name))
  if (missing.length > 0)
    throw new Failure(`Bun needs symbols that Debian's libstdc++ does not have: ${missing.join(' ')}`)
}

/** Returns the symbols that an ELF file defines and those that it needs. Copied variables of a library are both. */
async function symbolsOf(file) {
  const lines = (await run('readelf', ['-W', '--dyn-syms', file]))
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  const symbols = lines
    .filter(([, , , , bind, , , name]) => name && bind !== 'LOCAL')
    .map(([, , , , bind, , section, name]) => ({ bind, section, name: name.replace(/@.*/, '') }))
  const copies = (await run('readelf', ['-W', '--relocs', file])).matchAll(/ R_X86_64_COPY +\S+ (\S+)/g)
  return {
    defined: symbols.filter(({ section }) => section !== 'UND').map(({ name }) => name),
    wanted: [
      ...symbols.filter(({ section, bind }) => section === 'UND' && bind !== 'WEAK').map(({ name }) => name),
      ...[...copies].map(([, name]) => name.replace(/@.*/, '')),
    ],
  }
}
