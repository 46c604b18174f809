// Extracts every recipe from docs/cookbook.md, compiles it as a reader would, and runs it against the kernel.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { BpfMap, Btf } from 'libbpf-node'
import { buildBtf, types } from 'libbpf-node/asm'
import { XdpDispatcher } from 'libbpf-node/xdp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadOnly, shop, useProgram } from '../attach/surroundings.js'
import { gen, tsc, useFolder } from '../codegen/helper.js'
import { hasBreakpoints } from '../helpers/breakpoints.js'
import { requiresFeature } from '../helpers/kernel.js'
import { useBpffs, useCgroup, useTracefs } from '../helpers/privileged.js'
import { slowness } from '../helpers/slowness.js'
import { until } from '../helpers/until.js'
import { codeBlocks, readPage } from './blocks.js'

interface Recipe {
  /** What every line of the sample in the page looks like. */
  sample: RegExp
  /** A line that the program has to print. */
  wanted: RegExp
  /** Called again and again until the program has printed it. */
  happen?: () => unknown
  args?: () => string[]
  needs?: 'kprobes' | 'trampolines' | 'lsm'
  /** Whether this machine has what it needs. */
  here?: () => boolean
  /** Options of gen. */
  gen?: string[]
  /** Removes what stays after the program was killed. */
  after?: () => unknown
}

useTracefs()
const bpffs = useBpffs()
const cgroup = useCgroup()
const folder = useFolder()

/** A program with a USDT probe, at a fixed address: before Linux 5.15 others require a pid. */
const selling = useProgram(shop, ['-no-pie'])

/** A program that writes to a variable all the time, also at a fixed address. */
const ordering = useProgram(
  `
#include <unistd.h>
volatile long orders;
__attribute__((noinline)) void count_order(void) { orders++; }
int main(void) { for (;;) { count_order(); usleep(10000); } }
`,
  ['-no-pie', '-g'],
)
let orderer: ChildProcess | undefined
afterAll(() => orderer?.kill('SIGKILL'))

function watched(): string[] {
  const [, address = ''] =
    /^([0-9a-f]+) B orders$/m.exec(execFileSync('nm', [ordering()], { encoding: 'utf8' })) ?? []
  orderer ??= spawn(ordering(), { stdio: 'ignore' })
  return [String(orderer.pid), `0x${address}`]
}

/** Commands with names that nothing else on the machine has. */
const command = join(folder, 'cookbook-true')
const busy = join(folder, 'cookbook-busy')
const inCgroup = (script: string) =>
  execFileSync('sh', [
    '-c',
    `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`,
    process.execPath,
    script,
  ])

const recipes: Record<string, Recipe> = {
  exec: {
    sample: /^\d+ of user \d+ runs \/\S+$/,
    wanted: /^\d+ of user 0 runs \S+cookbook-true$/m,
    happen: () => execFileSync(command),
  },
  opens: {
    sample: /^\w+ \(\d+\) opens \/\S+$/,
    wanted: /^cat \(\d+\) opens \/etc\/hostname$/m,
    happen: () => execFileSync('cat', ['/etc/hostname']),
  },
  syscalls: {
    sample: /^system call \d+: \d+ times$/,
    wanted: /^system call \d+: [1-9]\d* times$/m,
  },
  latency: { sample: /^< \d+ us: \d+ system calls$/, wanted: /^< \d+ us: [1-9]\d* system calls$/m },
  exits: {
    sample: /^\S+ \(\d+\) lived [\d.]+ ms and exited with \d+$/,
    wanted: /^cookbook-busy \(\d+\) lived [\d.]+ ms and exited with 7$/m,
    happen: () => spawn(busy, ['-c', 'exit 7']),
  },
  signals: {
    sample: /^\w+ \(\d+\) sends \d+ to \d+$/,
    wanted: new RegExp(`^\\S+ \\(${process.pid}\\) sends 28 to ${process.pid}$`, 'm'),
    happen: () => process.kill(process.pid, 'SIGWINCH'),
  },
  connects: {
    sample: /^\d+ connects to [\d.]+:\d+$/,
    wanted: new RegExp(`^${process.pid} connects to 127\\.0\\.0\\.1:9$`, 'm'),
    happen: () => connect(9, '127.0.0.1').on('error', () => {}),
    needs: 'kprobes',
  },
  failures: {
    sample: /^\d+: \/\S+: E\w+$/,
    wanted: /^\d+: \/no-such-file-in-the-cookbook: ENOENT$/m,
    happen: () => expect(() => readFileSync('/no-such-file-in-the-cookbook')).toThrow(),
    needs: 'trampolines',
  },
  lookups: {
    sample: /^\w+ \(\d+\) looks up \S+$/,
    wanted: new RegExp(`\\(${process.pid}\\) looks up cookbook\\.example$`, 'm'),
    happen: () => lookup('cookbook.example').catch(() => {}),
  },
  sales: {
    sample: /^\w+ sold for -?\d+$/,
    wanted: /^apples sold for -42$/m,
    args: () => [selling()],
    happen: () => execFileSync(selling()),
  },
  profile: {
    sample: /^\d+ samples in \w+$/,
    wanted: /^[1-9]\d* samples in cookbook-busy$/m,
    happen: () => execFileSync(busy, ['-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done']),
  },
  tasks: {
    sample: /^\w+ \(\d+\), child of \d+: \d+ KiB$/,
    wanted: new RegExp(`^\\S.* \\(${process.pid}\\), child of ${process.ppid}: [1-9]\\d+ KiB$`, 'm'),
  },
  blocklist: {
    sample: /^eth0, native mode$|^\d+ packets passed, \d+ dropped$/,
    wanted: /^[1-9]\d* packets passed, [1-9]\d* dropped$/m,
    args: () => ['lo', '127.9.0.0/16'],
    happen: () => {
      connect({ port: 9, host: '127.0.0.1', localAddress: '127.8.0.1' }).on('error', () => {})
      const dropped = connect({ port: 9, host: '127.0.0.1', localAddress: '127.9.0.1' }).on('error', () => {})
      setTimeout(() => dropped.destroy(), 100)
    },
  },
  egress: {
    sample: /^\d+ connections allowed, \d+ refused$/,
    wanted: /^0 connections allowed, [1-9]\d* refused$/m,
    args: () => [cgroup()],
    happen: () => inCgroup(`require('net').connect(9, '127.0.0.1').on('error', () => {})`),
  },
  guard: {
    sample: /^\d+ signals refused$/,
    wanted: /^[1-9]\d* signals refused$/m,
    args: () => [String(process.pid)],
    // From another process; it succeeds until the program is attached.
    happen: () => spawnSync('kill', ['-WINCH', String(process.pid)]),
    needs: 'lsm',
  },
  busy: { sample: /^\d+ events read, \d+ lost$/, wanted: /^[1-9]\d* events read, [1-9]\d* lost$/m },
  settings: { sample: /^off: 0$|^on: true$/, wanted: /^off: 0\non: true$/m },
  counter: {
    sample: /^\d+ programs were executed since the first run$/,
    wanted: /^\d+ programs were executed since the first run$/m,
    args: () => [bpffs('counter')],
  },
  decide: { sample: /^IPv4: 2, IPv6: 1$/, wanted: /^IPv4: 2, IPv6: 1$/m },
  debug: {
    sample: /bpf_trace_printk: executed, pid \d+$/,
    wanted: /bpf_trace_printk: executed, pid \d+$/m,
    happen: () => execFileSync(command),
  },
  flood: {
    sample: /^\d+ system calls, \d+ of this thread, the last at \d+$/,
    wanted: /^\d+ system calls, [1-9]\d* of this thread, the last at [1-9]\d*$/m,
  },
  logging: {
    sample: /^logging\.bpf\.c:13 on_exec: \S+ was executed with pid \d+ \{ uid: \d+ \}$/,
    wanted: /^logging\.bpf\.c:13 on_exec: cookbook-true was executed with pid \d+ \{ uid: 0 \}$/m,
    happen: () => execFileSync(command),
  },
  faults: {
    sample: /^\d+ page faults, \d+ context switches$/,
    wanted: /^\d+ page faults, [1-9]\d* context switches$/m,
    args: () => [String(process.pid)],
  },
  watch: {
    sample: /^thread \d+ writes in \w+$/,
    wanted: /^thread \d+ writes in count_order$/m,
    args: () => watched(),
    here: hasBreakpoints,
  },
  takeoff: {
    sample: /^cgroup_\w+ \w+ detached$/,
    wanted: /^cgroup_inet_egress cgroup_egress detached$/m,
    args: () => {
      using object = loadOnly('attach-net', ['cgroup_egress'])
      object.program('cgroup_egress').attachCgroup(cgroup(), { allow: 'multi' }).disconnect()
      return [cgroup()]
    },
  },
  shared: {
    sample: /^7 \{ rate: 100, burst: 10 \}$/,
    wanted: /^7 \{ rate: 100, burst: 10 \}$/m,
    args: () => {
      rmSync(bpffs('limits'), { force: true })
      return [bpffs('limits')]
    },
  },
  grown: {
    sample: /^user \d+: \d+ times, last at \d+$/,
    wanted: /^user 1000: 42 times, last at 0$/m,
    args: () => {
      rmSync(bpffs('seen_users'), { force: true })
      using btf = Btf.fromBytes(buildBtf({ types: [types.u32, types.u64] }))
      using old = BpfMap.create<number, bigint>({
        type: 'hash',
        keySize: 4,
        valueSize: 8,
        maxEntries: 100,
        name: 'seen_users',
        btf: { types: btf, key: types.u32.name, value: types.u64.name },
      })
      old.set(1000, 42n).pin(bpffs('seen_users'))
      return [bpffs()]
    },
  },
  kills: {
    sample: /^signal \d+ for \d+$/,
    wanted: new RegExp(`^signal 28 for ${process.pid}$`, 'm'),
    happen: () => process.kill(process.pid, 'SIGWINCH'),
    gen: ['--arch', 'x64,arm64'],
  },
  runtime: {
    sample: /^sched_process_exec: \d+ hits$/,
    wanted: /^sched_process_exec: [1-9]\d* hits$/m,
    happen: () => execFileSync(command),
  },
  borrow: {
    sample: /^\w+ returns \d+ for an empty packet$/,
    wanted: /^xdp_pass returns 2 for an empty packet$/m,
    args: () => {
      using object = loadOnly('attach-net', ['xdp_pass'])
      rmSync(bpffs('xdp_pass'), { force: true })
      object.program('xdp_pass').pin(bpffs('xdp_pass'))
      return [bpffs()]
    },
  },
  ordered: {
    sample: /^\d+ \d+ (starts|ends)$/,
    wanted: /^\d+ (\d+) starts\n(?:.*\n)*\d+ \1 ends$/m,
    happen: () => execFileSync(command),
  },
  capture: {
    sample: /^\d+ packets$/,
    wanted: /^[1-9]\d* packets$/m,
    args: () => ['lo', join(folder, 'udp.pcapng')],
    happen: () => {
      const socket = createSocket('udp4')
      socket.send('x', 4000, '127.0.0.1', () => socket.close())
    },
  },
  together: {
    sample: /^\d+ packets, programs \d+( \d+)*$/,
    wanted: /^[1-9]\d* packets, programs \d+$/m,
    args: () => ['lo', bpffs()],
    happen: () => connect(9, '127.0.0.1').on('error', () => {}),
    after: async () => {
      const dispatcher = new XdpDispatcher('lo', { bpffs: bpffs() })
      for (const { id } of dispatcher.state()?.programs ?? []) await dispatcher.detach(id)
    },
  },
}

/** The recipes of the page, by the name of their files. Some have no kernel side. */
const sections = new Map(
  readPage('docs/cookbook.md')
    .split(/^(?=## )/m)
    .slice(1)
    .map((section) => [/^`(\w+)\.(?:bpf\.c|ts)`:$/m.exec(section)?.[1] ?? section, section]),
)

/** In an emulated guest only what this repository's own machine cannot run: compiling takes a minute there. */
const here = Object.entries(recipes).filter(
  ([, { needs, here = () => true }]) => (slowness === 1 && here()) || needs !== undefined,
)

beforeAll(async () => {
  copyFileSync('/bin/true', command)
  copyFileSync('/bin/sh', busy)
  for (const [name] of here) {
    const section = sections.get(name) ?? ''
    const [source] = codeBlocks(section, 'c')
    if (source !== undefined) writeFileSync(join(folder, `${name}.bpf.c`), source)
    writeFileSync(join(folder, `${name}.ts`), codeBlocks(section, 'ts')[0] ?? '')
  }
  const left = here.filter(([name]) => existsSync(join(folder, `${name}.bpf.c`)))
  const work = async (): Promise<void> => {
    for (let one = left.pop(); one !== undefined; one = left.pop())
      await gen(...(one[1].gen ?? []), join(folder, `${one[0]}.bpf.c`))
  }
  await Promise.all([work(), work()])
  expect(await tsc(folder)).toBe('')
}, 120_000 * slowness)

/** Runs a compiled recipe until it has printed what is wanted. */
async function runRecipe(name: string, { wanted, happen, after, args = () => [] }: Recipe): Promise<string> {
  const child = spawn(process.execPath, [`${name}.js`, ...args()], { cwd: folder, stdio: 'pipe' })
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  try {
    await until(
      `${name} prints ${wanted}`,
      async () => {
        if (wanted.test(output)) return true
        if (child.exitCode !== null) throw new Error(`${name} exited with ${child.exitCode}: ${output}`)
        await happen?.()
        return false
      },
      { seconds: 20 },
    )
  } finally {
    child.kill('SIGKILL')
    await closed
    await after?.()
  }
  return output
}

describe('docs/cookbook.md', () => {
  it('has thirty-three recipes, and a test of each', () => {
    expect([...sections.keys()]).toEqual(Object.keys(recipes))
    expect(sections.size).toBe(33)
  })

  it.each(Object.entries(recipes))('the sample of recipe %s looks like its output', (name, { sample }) => {
    const [text = ''] = codeBlocks(sections.get(name)!, '')
    const lines = text.split('\n').slice(0, -1)
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) expect(line).toMatch(sample)
  })

  for (const [name, recipe] of here) {
    const title = `recipe ${name} prints what the page shows`
    const run = async (): Promise<void> => {
      expect(await runRecipe(name, recipe)).toMatch(recipe.wanted)
    }
    if (recipe.needs === undefined) it(title, run)
    else requiresFeature(recipe.needs, title, run)
  }

  if (slowness === 1) {
    it('recipe counter goes on counting when its process has ended', async () => {
      const count = async () => Number(/^\d+/m.exec(await runRecipe('counter', recipes.counter!))?.[0])
      const before = await count()
      execFileSync(command)
      execFileSync(command)
      expect(await count()).toBeGreaterThanOrEqual(before + 2)
    })
    afterAll(() => rmSync(bpffs('counter'), { recursive: true, force: true }))
  }
})
