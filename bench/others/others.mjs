// Other BPF libraries for scripting languages. They are measured if they can be installed.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { run, say } from '../../scripts/run.mjs'
import { rust } from './rust.mjs'

const all = [
  {
    name: 'libbpf-rs',
    cases: ['drain', 'map', 'load'],
    prepare: (folder) => rust('libbpf-rs', folder),
  },
  {
    name: 'Aya',
    cases: ['map'],
    prepare: (folder) => rust('aya', folder),
  },
  {
    name: 'npm bpf',
    cases: ['map', 'dump'],
    async prepare(folder) {
      const prefix = join(folder, 'npm-bpf')
      // Its addon is prebuilt, so nothing has to be compiled.
      await run('npm', [
        'install',
        '--no-audit',
        '--no-fund',
        '--silent',
        '--ignore-scripts',
        '--prefix',
        prefix,
        'bpf@1.3.0',
      ])
      return { command: [process.execPath, 'bench/others/npm-bpf.cjs', prefix], version: '1.3.0' }
    },
  },
  {
    name: 'BCC',
    cases: ['map', 'dump'],
    async prepare() {
      // Only Debian's Python finds Debian's packages.
      const version = () => {
        const script = 'import bcc; print(bcc.__version__)'
        return spawnSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8' }).stdout?.trim()
      }
      if (!version())
        await run('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'python3-bpfcc'])
      return { command: ['/usr/bin/python3', 'bench/others/bcc_maps.py'], version: version() }
    },
  },
  {
    name: 'bpftrace',
    cases: ['trace'],
    async prepare() {
      const version = () =>
        spawnSync('bpftrace', ['--version'], { encoding: 'utf8' }).stdout?.match(/v(\S+)/)?.[1]
      if (!version()) await run('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'bpftrace'])
      return { command: [process.execPath, 'bench/others/bpftrace.mjs'], version: version() }
    },
  },
]

/** Returns the libraries that can run one of the cases, with the commands for a trial. */
export async function others(cases, folder) {
  const ready = []
  for (const other of all.filter((each) => each.cases.some((name) => cases.includes(name)))) {
    try {
      ready.push({ ...other, ...(await other.prepare(folder)) })
    } catch (error) {
      say(`bench: ${other.name} is left out: ${error.message.trim().split('\n')[0]}`)
    }
  }
  return ready
}
