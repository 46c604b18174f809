// Each example of networks and sockets does what it says.
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { describe, expect, it } from 'vitest'
import { congested, useProgram, useVeth } from '../attach/surroundings.js'
import { converse, useExamples } from '../helpers/example.js'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { useCgroup } from '../helpers/privileged.js'

const veth = useVeth()
const cgroup = useCgroup()
const { run } = useExamples()

const sendUdp = (port: number, address = '127.0.0.1', text = 'x'): Promise<void> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.send(text, port, address, () => socket.close(() => resolve()))
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
