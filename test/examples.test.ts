// Each example does what it says, with no more privileges than its head says that it takes. What activity, drop-privileges, replace and worker do beyond that
// has test files of its own.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { congested, shop, useProgram, useVeth } from './attach/surroundings.js'
import { copyForEveryone } from './helpers/child.js'
import { kernelIs, requiresFeature, requiresKernel } from './helpers/kernel.js'
import { useCgroup, useTracefs } from './helpers/privileged.js'
import { until } from './helpers/until.js'

useTracefs()
const veth = useVeth()
const cgroup = useCgroup()

const everyone = copyForEveryone('dist/examples')
afterAll(() => everyone[Symbol.dispose]())

/** What the head of an example says that it takes. */
function takes(name: string, file = name): { capabilities: string[]; asRoot: boolean } {
  const source = readFileSync(new URL(`../examples/${name}/${file}.ts`, import.meta.url), 'utf8')
  const [, root, list] =
    /^\/\/ Takes (root with )?((?:CAP_\w+|, | and )+)\. Linux \d+\.\d+/m.exec(source) ?? []
  if (list === undefined) throw new Error(`the head of ${file}.ts does not say what it takes`)
  return { capabilities: list.match(/CAP_\w+/g)!, asRoot: root !== undefined }
}

/** A command that runs another with some capabilities only: as nobody, or as a root who has no others. */
function withOnly(capabilities: string[], asRoot: boolean): [string, ...string[]] {
  const set = ['-all', ...capabilities.map((name) => name.replace('CAP_', '+').toLowerCase())].join(',')
  if (asRoot) return ['setpriv', `--bounding-set=${set}`]
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups']
  return ['setpriv', ...nobody, `--inh-caps=${set}`, `--ambient-caps=${set}`]
}

interface Running {
  child: ChildProcess
  said: () => string
  complained: () => string
  /** Its exit status, when it has ended. */
  ended: Promise<number | null>
}

/** Starts an example with the capabilities that its head names, but for one. */
function start(name: string, args: string[], without?: string, file = name): Running {
  const { capabilities, asRoot } = takes(name, file)
  const [command, ...own] = withOnly(
    capabilities.filter((one) => one !== without),
    asRoot,
  )
  const path = `${everyone.path}/dist/examples/${name}/${file}.js`
  const child = spawn(command, [...own, process.execPath, path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: everyone.path,
  })
  let said = ''
  let complaint = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { child, said: () => said, complained: () => complaint, ended }
}

/** An example that ends by itself. What it says. */
async function runToEnd(name: string, args: string[] = []): Promise<string> {
  const { said, complained, ended } = start(name, args)
  expect({ status: await ended, complaint: complained() }).toEqual({ status: 0, complaint: '' })
  return said()
}

/**
 * Starts an example with just the capabilities that its head names, waits until it has said a line like `ready`, makes something happen again and again until it
 * has said one like `wanted`, and ends it as Ctrl-C does.
 */
async function run(
  name: string,
  args: string[],
  {
    ready = /Ctrl-C ends/,
    wanted,
    happen,
    complains = /^$/,
    file = name,
  }: { ready?: RegExp; wanted: RegExp; happen: (said: string) => unknown; complains?: RegExp; file?: string },
): Promise<string> {
  const { child, said, complained, ended } = start(name, args, undefined, file)
  const has = (what: RegExp) => () => {
    if (what.test(said())) return true
    if (child.exitCode !== null) throw new Error(`${name} has ended: ${said()}${complained()}`)
    return false
  }
  try {
    await until(`${name} says ${ready}`, has(ready), { seconds: 60 })
    const hasSaid = has(wanted)
    await until(
      `${name} says ${wanted}`,
      async () => {
        if (!hasSaid()) await happen(said())
        return hasSaid()
      },
      { seconds: 60 },
    )
  } finally {
    child.kill('SIGINT')
    await ended
  }
  expect(complained()).toMatch(complains)
  return said()
}

const sendUdp = (port: number, address = '127.0.0.1', text = 'x'): Promise<void> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.send(text, port, address, () => socket.close(() => resolve()))
  })

/** Connects, sends a text, and gives what comes first. */
async function converse(port: number, text = ''): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    const answer = once(socket, 'data')
    if (text !== '') socket.write(text)
    return String((await answer)[0])
  } finally {
    socket.destroy()
  }
}

const hurry = (): unknown => execFileSync('true')

describe('examples of tracing', () => {
  it('iter', async () => {
    const lines = (await runToEnd('iter')).trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(3)
    for (const line of lines) expect(line).toMatch(/^ +\d+ +\d+ +\d+ KiB {2}\S/)
    const sizes = lines.map((line) => Number(/(\d+) KiB/.exec(line)![1]))
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a))
    expect(sizes[0]).toBeGreaterThan(process.memoryUsage.rss() / 1024)
  })

  it('profile', async () => {
    const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
    const ended = once(busy, 'close')
    const said = await runToEnd('profile', ['1']).finally(() => busy.kill())
    await ended
    expect(said).toMatch(/^sampling [1-9]\d* CPUs for 1 s$/m)
    expect(said).toMatch(/^ *[1-9]\d*\.\d % {2}node$/m)
  })

  it('uprobe', async () => {
    await run('uprobe', [], {
      ready: /watching \S*libc\.so\.6:getaddrinfo; /,
      wanted: /^\S+ \(\d+\) looks up uprobe\.example$/m,
      happen: () => lookup('uprobe.example').catch(() => {}),
    })
    const own = new RegExp(`\\(${process.pid}\\) looks up own\\.example$`, 'm')
    await run('uprobe', [], { wanted: own, happen: () => lookup('own.example').catch(() => {}) })
  })

  it('activity', async () => {
    await run('activity', ['--json'], {
      ready: /^/,
      wanted: /"kind":"exec".*"comm":"true"[\s\S]*"kind":"open"/,
      happen: hurry,
      complains: /^activity: tracing; Ctrl-C ends\n$/,
    })
  })

  it('worker', async () => {
    await run('worker', [], {
      file: 'main',
      ready: /^/,
      wanted: /^second \d+, all of it busy: .*\btrue [1-9]/m,
      happen: hurry,
    })
  })

  it('replace', async () => {
    let asked = false
    await run('replace', [], {
      ready: /process \d+ counts/,
      wanted: /now from user id 1000 on/,
      happen: (said) => {
        if (!asked) process.kill(Number(/process (\d+)/.exec(said)![1]), 'SIGHUP')
        asked = true
      },
    })
  })

  it('drop-privileges', async () => {
    await run('drop-privileges', [], {
      ready: /^uid 65534, capabilities 0+ 0+ 0+ 0+$/m,
      wanted: /^\d+ true, number [1-9]/m,
      happen: hurry,
    })
  })

  requiresFeature('kprobes', 'kprobe', async () => {
    const server = createServer((socket) => socket.end('.')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    try {
      const wanted = new RegExp(`\\(${process.pid}\\) connects to 127\\.0\\.0\\.1:${port}$`, 'm')
      await run('kprobe', [], { ready: /watching (__)?tcp_v4_connect/, wanted, happen: () => converse(port) })
    } finally {
      server.close()
      await once(server, 'close')
    }
  })

  requiresFeature('kprobes', 'fentry', async () => {
    await run('fentry', [], {
      ready: /watching by_(fentry|kprobe), SEC/,
      wanted: new RegExp(`\\(${process.pid}\\) begins process \\d+$`, 'm'),
      happen: () => execFileSync('true'),
    })
  })

  requiresFeature('fprobe', 'kprobe-multi', async () => {
    const said = await run('kprobe-multi', ['vfs_*', '1'], {
      ready: /counting \d* functions/,
      wanted: /\d+ {2}vfs_read$/m,
      happen: () => execFileSync('true'),
    })
    if (kernelIs('6.6')) expect(said).toMatch(/counting [1-9]\d+ functions/)
  })

  const selling = useProgram(shop)
  it('usdt', async () => {
    await run('usdt', [selling(), 'shop', 'sold'], {
      wanted: /^program \(\d+\): 3, last -42$/m,
      happen: () => execFileSync(selling()),
    })
  })
})

describe('examples of networks', () => {
  requiresKernel('5.10', 'sockmap', async () => {
    await run('sockmap', [], {
      wanted: /^[1-9]\d* bytes echoed$/m,
      happen: async (said) => {
        const port = Number(/port (\d+)/.exec(said)![1])
        expect(await converse(port, 'hello')).toBe('hello')
      },
    })
  })

  it('tc-clsact', async () => {
    await run('tc-clsact', [veth.name], {
      wanted: /^[1-9]\d* bytes sent, 0 dropped$/m,
      happen: () => veth.send(),
    })
    await run('tc-clsact', [veth.name, '0'], {
      wanted: /^0 bytes sent, [1-9]\d* dropped$/m,
      happen: () => veth.send(),
    })
  })

  requiresFeature('netfilter', 'netfilter', async () => {
    await run('netfilter', ['4321'], {
      wanted: /^[1-9]\d* accepted, [1-9]\d* dropped$/m,
      happen: () => Promise.all([sendUdp(4321), sendUdp(4322)]),
    })
  })

  requiresKernel('5.9', 'sk-lookup', async () => {
    await run('sk-lookup', ['6900', '6901'], {
      wanted: /^[1-9]\d* connections$/m,
      happen: async () => expect(await converse(6901)).toBe('this is port 6901\n'),
    })
  })

  const asking = useProgram(congested)
  requiresKernel('6.4', 'tcp-congestion', async () => {
    await run('tcp-congestion', [], {
      ready: /TCP has .*bpf_counted/,
      wanted: /^[1-9]\d* connections, \d+ losses$/m,
      happen: () => execFileSync(asking(), ['bpf_counted']),
    })
  })

  it('cgroup', async () => {
    const inside = `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`
    const script = `require('net').connect(9, '127.0.0.1').on('error', () => {})`
    await run('cgroup', [cgroup(), '443'], {
      wanted: /^0 allowed, [1-9]\d* refused$/m,
      happen: () => execFileSync('sh', ['-c', inside, process.execPath, script]),
    })
  })

  requiresFeature('lsm', 'lsm', async () => {
    const inside = `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`
    const script = `require('dgram').createSocket('udp4').on('error', () => {}).bind(0)`
    await run('lsm', [cgroup()], {
      wanted: /^\d+ allowed, [1-9]\d* refused$/m,
      happen: () => execFileSync('sh', ['-c', inside, process.execPath, script]),
    })
  })

  it('tail-calls', async () => {
    const said = await run('tail-calls', [], {
      wanted: /^[1-9]\d* hellos, [1-9]\d* orders, [1-9]\d* refused$/m,
      happen: async (said) => {
        const port = Number(/port (\d+)/.exec(said)![1])
        for (const text of ['hello', 'order', 'x']) await sendUdp(port, '127.0.0.1', text)
      },
    })
    expect(said).toMatch(/^got 'hello'$/m)
    expect(said).not.toContain("got 'x'")
  })

  requiresKernel('6.6', 'tcx-order', async () => {
    const said = await run('tcx-order', [veth.name, '4322'], {
      wanted: /^[1-9]\d* packets to port 4322$/m,
      happen: () => Promise.all([sendUdp(4322, veth.peer), sendUdp(4323, veth.peer)]),
    })
    expect(said).toMatch(new RegExp(`^egress of ${veth.name}, revision \\d+: programs \\d+, \\d+;`, 'm'))
  })

  it('xdp-count', async () => {
    await run('xdp-count', [veth.name], { wanted: /^IPv4: [1-9]/m, happen: () => veth.send() })
  })
})

describe('the head of an example', () => {
  const examples = readdirSync(new URL('../examples', import.meta.url))
  const mainOf = (name: string) => (name === 'worker' ? 'main' : name)
  // Up to the first call that takes privileges: of what these attach to nothing is there.
  const args: Record<string, string[]> = {
    activity: ['--seconds', '1'],
    cgroup: ['/sys/fs/cgroup/no-such'],
    'kprobe-multi': ['vfs_*', '0'],
    lsm: ['/sys/fs/cgroup'],
    netfilter: ['1'],
    usdt: ['libc.so.6', 'libc', 'setjmp'],
    worker: ['0'],
  }

  // CAP_SYS_ADMIN stands for others, and those of users are not BPF's.
  const named: Record<string, RegExp> = { CAP_SYS_ADMIN: /CAP_BPF/, CAP_SETUID: /EPERM/, CAP_SETGID: /EPERM/ }

  it.each(examples)('%s: says what it takes, and not one capability too many', async (name) => {
    expect(existsSync(new URL(`../examples/${name}/${mainOf(name)}.ts`, import.meta.url))).toBe(true)
    for (const capability of takes(name, mainOf(name)).capabilities) {
      // Without it they show less, and work.
      if (capability === 'CAP_DAC_READ_SEARCH' || capability === 'CAP_SYSLOG') continue
      const { complained, ended } = start(name, args[name] ?? [], capability, mainOf(name))
      expect(await ended, `${name} without ${capability}`).not.toBe(0)
      expect(complained()).toMatch(named[capability] ?? capability)
    }
  })

  it('is looked at of each that is tested here', () => {
    const source = readFileSync(new URL(import.meta.url), 'utf8')
    const tested = [...source.matchAll(/run(?:ToEnd)?\('([\w-]+)'/g)].map(([, name]) => name!)
    expect(new Set(tested)).toEqual(new Set(examples))
  })
})
