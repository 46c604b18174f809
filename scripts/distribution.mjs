// Makes packages of the agent for Debian and for Red Hat's family: npm run package -- deb rpm [--machine arm64]
// The distributions' own tools write them. Dependencies are those of packages/package-lock.json, and Node.js is that of
// the distribution.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { Failure, root, run, say } from './run.mjs'
import { prebuildOf } from './targets.mjs'
import { ensurePrograms } from './tools.mjs'

const name = 'libbpf-node-agent'
const home = `usr/lib/${name}`
const { version } = JSON.parse(readFileSync(join(root, 'packages/agent/package.json'), 'utf8'))
const summary = 'Runs BPF programs on a host and exports their metrics and events'
const description = `A configuration file selects the programs and metrics. Programs for run-queue latency, block I/O, TCP
retransmits, OOM kills, the page cache and DNS are included. Results go to Prometheus, OpenTelemetry and
files, with the names of containers and pods as labels.`
const maintainer = 'The libbpf-node maintainers <maintainers@libbpf-node.invalid>'
/** What the distributions call the machines. */
const architectures = { x64: { deb: 'amd64', rpm: 'x86_64' }, arm64: { deb: 'arm64', rpm: 'aarch64' } }
const scripts = { 'after-install': 'post', 'before-remove': 'preun', 'after-remove': 'postun' }
const debScripts = { 'after-install': 'postinst', 'before-remove': 'prerm', 'after-remove': 'postrm' }

/** Builds what the package installs, below `tree`. */
export async function buildTree(tree, machine = process.arch) {
  rmSync(tree, { recursive: true, force: true })
  const app = join(tree, home)
  mkdirSync(app, { recursive: true })
  for (const file of ['package.json', 'package-lock.json'])
    cpSync(join(root, 'packages', file), join(app, file))
  const parts = [
    'package.json',
    'LICENSE',
    'README.md',
    'dist',
    'config.schema.json',
    'collections',
    'programs',
  ]
  for (const folder of ['otel', 'agent'])
    for (const part of parts) {
      const from = join(root, 'packages', folder, part)
      if (existsSync(from)) cpSync(from, join(app, folder, part), { recursive: true })
    }
  await run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: app,
  })
  addLibrary(join(app, 'node_modules/libbpf-node'), machine)
  rmSync(join(app, 'package-lock.json'))
  rmSync(join(app, 'node_modules/.package-lock.json'))
  execFileSync('find', [app, '(', '-name', '*.d.ts', '-o', '-name', '*.map', ')', '-delete'])

  const install = (from, to, mode = 0o644) => {
    mkdirSync(dirname(join(tree, to)), { recursive: true })
    copyFileSync(join(root, from), join(tree, to))
    chmodSync(join(tree, to), mode)
  }
  install('deploy/packages/libbpf-node-agent', `usr/bin/${name}`, 0o755)
  install('deploy/packages/agent.yaml', 'etc/libbpf-node/agent.yaml')
  install('deploy/systemd/libbpf-node-agent.service', `usr/lib/systemd/system/${name}.service`)
  install('LICENSE', `usr/share/doc/${name}/copyright`)
  makeUniform(tree)
}

/** The library with its addon, in the place of npm's link to this repository. */
function addLibrary(target, machine) {
  rmSync(target, { recursive: true, force: true })
  for (const part of ['package.json', 'LICENSE', 'NOTICE', 'dist/lib', 'node_modules/node-gyp-build'])
    cpSync(join(root, part), join(target, part), { recursive: true })
  const prebuilt = prebuildOf(`linux-${machine}.glibc`)
  const addon = [join(root, prebuilt), join(root, 'build/Release/libbpf_node.node')].find(existsSync)
  if (addon === undefined || (machine !== process.arch && !existsSync(join(root, prebuilt))))
    throw new Failure(
      `there is no addon for ${machine}: npm run prebuild -- --target linux-${machine}.glibc makes it`,
    )
  if (!addon.endsWith(prebuilt))
    say('package: with the addon of this machine, which needs a C library as new as the one here')
  mkdirSync(dirname(join(target, prebuilt)), { recursive: true })
  copyFileSync(addon, join(target, prebuilt))
}

/** Whoever builds it, and whatever the umask: the same modes. */
const makeUniform = (tree) => execFileSync('chmod', ['-R', 'u=rwX,go=rX', tree])

/** The time of the last commit: the same sources make the same package. */
const sourceTime = () =>
  process.env.SOURCE_DATE_EPOCH ??
  execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).trim()

/** Makes a package for Debian, and returns its path. */
export async function makeDeb(work, output, machine = process.arch) {
  await ensurePrograms({ 'dpkg-deb': 'dpkg' })
  const tree = join(work, 'deb')
  await buildTree(tree, machine)
  const architecture = architectures[machine].deb
  const size = Number(execFileSync('du', ['-sk', tree], { encoding: 'utf8' }).split('\t')[0])
  const control = `Package: ${name}
Version: ${version}-1
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${size}
Depends: libc6 (>= 2.28), nodejs (>= 20.19), procps
Suggests: prometheus
Section: admin
Priority: optional
Description: ${summary}
${description.replace(/^/gm, ' ')}
`
  mkdirSync(join(tree, 'DEBIAN'))
  writeFileSync(join(tree, 'DEBIAN/control'), control)
  writeFileSync(join(tree, 'DEBIAN/conffiles'), '/etc/libbpf-node/agent.yaml\n')
  for (const [from, to] of Object.entries(debScripts)) {
    copyFileSync(join(root, 'deploy/packages', from), join(tree, 'DEBIAN', to))
    chmodSync(join(tree, 'DEBIAN', to), 0o755)
  }
  const file = join(output, `${name}_${version}-1_${architecture}.deb`)
  const env = { ...process.env, SOURCE_DATE_EPOCH: sourceTime() }
  await run('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, file], { env })
  return file
}

/** Makes a package for Fedora and its relatives, and returns its path. */
export async function makeRpm(work, output, machine = process.arch) {
  await ensurePrograms({ rpmbuild: 'rpm' })
  const tree = join(work, 'rpm-tree')
  await buildTree(tree, machine)
  const top = join(work, 'rpm')
  const architecture = architectures[machine].rpm
  const scriptlets = Object.entries(scripts).map(
    ([from, to]) =>
      `%${to}\n${readFileSync(join(root, 'deploy/packages', from), 'utf8').replace(/^#!.*\n/, '')}`,
  )
  const spec = `Name: ${name}
Version: ${version}
Release: 1
Summary: ${summary}
License: MIT
AutoReqProv: no
Requires: nodejs >= 20.19
Requires: glibc >= 2.28
Requires: util-linux
%global __os_install_post %{nil}
%global _build_id_links none
%global debug_package %{nil}
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1

%description
${description}

%install
cp -a ${tree}/. %{buildroot}

${scriptlets.join('\n')}
%files
%defattr(-,root,root)
/usr/bin/${name}
/${home}
/usr/lib/systemd/system/${name}.service
%dir /etc/libbpf-node
%config(noreplace) /etc/libbpf-node/agent.yaml
%license /usr/share/doc/${name}/copyright
`
  mkdirSync(top, { recursive: true })
  const file = join(top, `${name}.spec`)
  writeFileSync(file, spec)
  const env = { ...process.env, SOURCE_DATE_EPOCH: sourceTime() }
  const define = [
    '--define',
    `_topdir ${top}`,
    '--define',
    `_rpmdir ${output}`,
    '--define',
    '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm',
  ]
  await run('rpmbuild', ['-bb', '--target', architecture, ...define, file], { env })
  return join(output, `${name}-${version}-1.${architecture}.rpm`)
}

if (process.argv[1] === import.meta.filename) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { machine: { type: 'string', default: process.arch } },
  })
  const makers = { deb: makeDeb, rpm: makeRpm }
  const unknown = positionals.find((kind) => !(kind in makers))
  if (positionals.length === 0 || unknown !== undefined || !(values.machine in architectures)) {
    say('Usage: npm run package -- deb|rpm... [--machine x64|arm64]')
    process.exit(2)
  }
  const work = join(root, 'build/packages/work')
  const output = join(root, 'build/packages')
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  for (const kind of positionals) console.log(await makers[kind](work, output, values.machine))
  rmSync(work, { recursive: true })
}
