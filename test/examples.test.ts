// Each example does what it says. (activity and worker have test files of their own.)
import { execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { congested, shop, useProgram, useVeth } from './attach/surroundings.js'
import { kernelIs, requiresFeature, requiresKernel } from './helpers/kernel.js'
import { useCgroup, useTracefs } from './helpers/privileged.js'
import { until } from './helpers/until.js'

useTracefs()
const veth = useVeth()
const cgroup = useCgroup()

/**
 * Starts an example, waits until it has said a line like `ready`, makes something happen again and again until it has said one like `wanted`, and ends it
 * as Ctrl-C does.
 */
async function run(
  name: string,
  args: string[],
  {
    ready = /Ctrl-C ends/,
    wanted,
    happen,
  }: { ready?: RegExp; wanted: RegExp; happen: (said: string) => unknown },
): Promise<string> {
  const path = fileURLToPath(new URL(`../dist/examples/${name}/${name}.js`, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  let complaint = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const closed = once(child, 'close')
  const has = (what: RegExp) => () => {
    if (child.exitCode !== null) throw new Error(`${name} has ended: ${said}${complaint}`)
    return what.test(said)
  }
  try {
    await until(`${name} says ${ready}`, has(ready), { seconds: 60 })
    const hasSaid = has(wanted)
    await until(
      `${name} says ${wanted}`,
      async () => {
        if (!hasSaid()) await happen(said)
        return hasSaid()
      },
      { seconds: 60 },
    )
  } finally {
    child.kill('SIGINT')
    await closed
  }
  expect(complaint).toBe('')
  return said
}

const sendUdp = (port: number): Promise<void> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.send('x', port, '127.0.0.1', () => socket.close(() => resolve()))
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

describe('examples of tracing', () => {
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

  it('xdp-count', async () => {
    await run('xdp-count', [veth.name], { wanted: /^IPv4: [1-9]/m, happen: () => veth.send() })
  })
})
