// Boots a kernel under qemu, with the root file system of this machine, and runs a command there.
import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { run } from '../run.mjs'
import { moduleFiles } from './fetch.mjs'

/** The programs that guests need on this machine, with their Debian packages. */
export const guestTools = (kernelMachines) => ({
  ...Object.fromEntries(kernelMachines.map((name) => [machines[name].qemu[0], machines[name].package])),
  busybox: 'busybox-static',
  modprobe: 'kmod',
  cpio: 'cpio',
  xz: 'xz-utils',
  zstd: 'zstd',
  'dpkg-deb': 'dpkg',
})

// The modules for the host's root and for output. All others are loaded from the host's root.
const bootModules = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay']
const machines = {
  amd64: {
    package: 'qemu-system-x86',
    qemu: ['qemu-system-x86_64', '-cpu', 'max,-pku'],
    append: 'console=ttyS0 mitigations=off tsc=unstable no_timer_check',
  },
  arm64: {
    // The architecture's own algorithm for pointer authentication takes 40 % of the emulator's time, wide vectors 10 %.
    package: 'qemu-system-arm',
    qemu: ['qemu-system-aarch64', '-M', 'virt', '-cpu', 'max,pauth-impdef=on,sve=off'],
    append: 'console=ttyAMA0 mitigations=off',
  },
}
const unpackers = { '.xz': ['xz', '-dc'], '.zst': ['zstd', '-dc'] }
// Guests end with this process; see 'exit' below.
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(1))

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`

/**
 * Runs `command` (an array) in `cwd` on a kernel of {@link fetchKernel}. `onOutput` gets its output immediately;
 * `signal` ends the guest. Resolves to `{ status, console }`; the status is undefined if the guest ended before the
 * command.
 */
export async function runInGuest(kernel, command, options) {
  const { cwd, env = {}, cpus = 2, memory = '3G', signal, onOutput } = options
  const work = mkdtempSync(join(tmpdir(), 'libbpf-node-guest-'))
  const cleanUp = () => rmSync(work, { recursive: true, force: true })
  process.once('exit', cleanUp)
  try {
    const lines = [
      // These folders belong to the host.
      `mkdir -p /boot /lib/modules/${kernel.release}`,
      `mount --bind ${quote(join(kernel.modules, kernel.release))} /lib/modules/${kernel.release}`,
      ...Object.entries({ HOME: '/root', PATH: kernel.path, ...env }).map(
        ([name, value]) => `export ${name}=${quote(value)}`,
      ),
      // libbpf reads it for externs named CONFIG_*.
      `cp ${quote(kernel.config)} /boot/config-${kernel.release}`,
      kernel.first.map(quote).join(' '),
      `cd ${quote(cwd)}`,
      command.map(quote).join(' '),
    ]
    const wanted = [cwd, kernel.modules, kernel.node, ...Object.values(env)]
    const initrd = await makeInitrd(kernel, join(work, 'initrd'), `${lines.join('\n')}\n`, wanted)
    const { qemu: emulator, append } = machines[kernel.machine]
    const args = [
      ...emulator,
      // One thread for all CPUs of a guest: on a busy host, two threads that wait for spinlocks of each other take 50
      // % longer.
      ...['-accel', 'tcg,thread=single'],
      ...['-smp', String(cpus), '-m', memory, '-nographic'],
      ...['-kernel', kernel.image, '-initrd', initrd, '-no-reboot', '-nodefaults', '-monitor', 'none'],
      ...['-append', `lsm=landlock,bpf panic=-1 libbpf_node_cards ${append}`],
      ...['-serial', `file:${join(work, 'console')}`],
      ...['-fsdev', 'local,id=root,path=/,security_model=none,multidevs=remap,readonly=on'],
      ...['-device', 'virtio-9p-pci,fsdev=root,mount_tag=host'],
      ...['-device', 'virtio-serial-pci'],
      ...['-chardev', 'stdio,id=output,signal=off', '-device', 'virtserialport,chardev=output,nr=1'],
      ...['-chardev', `file,id=status,path=${join(work, 'status')}`],
      ...['-device', 'virtserialport,chardev=status,nr=2'],
      ...['-device', 'virtio-rng-pci'],
      ...[0, 1].flatMap((i) => card(i, join(work, `card${i}`), join(work, `card${1 - i}`))),
    ]
    await qemu(args, signal, onOutput)
    const read = (name) => {
      try {
        return readFileSync(join(work, name), 'utf8')
      } catch {
        return ''
      }
    }
    const status = read('status').trim()
    return { status: status === '' ? undefined : Number(status), console: read('console') }
  } finally {
    process.off('exit', cleanUp)
    cleanUp()
  }
}

// One of two network cards with a cable between them. They show up once a test loads virtio_net, whose zero-copy mode
// wants devices behind an IOMMU, or what looks like one.
const card = (i, path, other) => [
  ...[
    '-netdev',
    `dgram,id=card${i},local.type=unix,local.path=${path},remote.type=unix,remote.path=${other}`,
  ],
  ...[
    '-device',
    `virtio-net-pci,netdev=card${i},mac=02:00:00:00:01:0${i},iommu_platform=on,disable-legacy=on`,
  ],
]

async function makeInitrd(kernel, folder, command, wanted) {
  for (const name of ['bin', 'modules']) mkdirSync(join(folder, name), { recursive: true })
  copyFileSync(kernel.busybox, join(folder, 'bin/busybox'))
  const here = import.meta.dirname
  copyFileSync(join(here, 'init.sh'), join(folder, 'init'))
  copyFileSync(join(here, 'start.sh'), join(folder, 'start.sh'))
  writeFileSync(join(folder, 'command.sh'), command)
  writeFileSync(join(folder, 'layers.sh'), layersOf(kernel, wanted))
  const names = []
  for (const file of moduleFiles(kernel, bootModules)) {
    const [packed, extension] = file.match(/\.ko(\.\w+)$/) ?? []
    const name = basename(file).replace(packed ? extension : '', '')
    const target = join(folder, 'modules', name)
    if (packed) await run('sh', ['-c', '"$@" >"$0"', target, ...unpackers[extension], file])
    else copyFileSync(file, target)
    names.push(name)
  }
  writeFileSync(join(folder, 'modules.list'), names.join('\n'))
  await run('chmod', ['755', join(folder, 'init')])
  const initrd = join(dirname(folder), 'initrd.cpio')
  await run('sh', ['-c', 'find . | cpio --quiet -o -H newc >"$0"', initrd], { cwd: folder })
  return initrd
}

// A guest does not see the host's /tmp and /run, except for the folder that it is started in.
function layersOf({ layers: [[, first], ...others] }, wanted) {
  const emptied = ['tmp', 'run'].filter(
    (name) => first !== '/' || !wanted.some((path) => path.startsWith(`/${name}/`)),
  )
  return [
    `layer '' ${quote(`/host${first}`)}`,
    ...emptied.map((name) => `empty ${name}`),
    ...others.map(([path, folder]) => `layer ${quote(path)} ${quote(`/host${folder}`)}`),
  ].join('\n')
}

function qemu([program, ...args], signal, onOutput) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      // The end of stdin would close the port.
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const stop = () => child.kill('SIGKILL')
    process.once('exit', stop)
    signal?.addEventListener('abort', stop)
    child.stdout.setEncoding('utf8').on('data', onOutput)
    child.on('error', reject)
    child.on('close', () => {
      process.off('exit', stop)
      resolve()
    })
  })
}
