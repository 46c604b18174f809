// Runs each network example with the privileges that its first lines name.
import { execFile, execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { it as anyTest, describe, expect } from 'vitest'
import * as surroundings from '../attach/surroundings.js'
import { congested, ip, netkit, twoSockets, useProgram, useVeth } from '../attach/surroundings.js'
import { converse, examplesIn, type KernelSide, useExamples } from '../helpers/example.js'
import * as kernel from '../helpers/kernel.js'
import { useCgroup } from '../helpers/privileged.js'

export function networkExamples(kernelSide: KernelSide): void {
  const only = examplesIn(kernelSide)
  const it = only<[string, () => void | Promise<void>, number?]>(anyTest)
  const requiresKernel = only(kernel.requiresKernel)
  const requiresFeature = only(kernel.requiresFeature)
  const requires = only(surroundings.requires)
  const veth = useVeth()
  const cgroup = useCgroup()
  const { run, runToEnd } = useExamples(kernelSide)

  const sendUdp = (port: number, address = '127.0.0.1', text = 'x'): Promise<void> =>
    new Promise((resolve) => {
      const socket = createSocket('udp4')
      socket.send(text, port, address, () => socket.close(() => resolve()))
    })

  /** Runs a command in the network namespace. It is bash because sh cannot write to /dev/udp. */
  const inNetns = (command: string) => ip('netns', 'exec', veth.netns, 'bash', '-c', command)

  describe('network examples', () => {
    requiresKernel('5.10', 'sockmap echoes what it receives', async () => {
      await run('sockmap', [], {
        wanted: /^[1-9]\d* bytes echoed$/m,
        happen: async (said) => {
          const port = Number(/port (\d+)/.exec(said)![1])
          expect(await converse(port, 'hello')).toBe('hello')
        },
      })
    })

    it('tc-clsact counts packets, and drops them when told to', async () => {
      await run('tc-clsact', [veth.name], {
        wanted: /^[1-9]\d* bytes sent, 0 dropped$/m,
        happen: () => veth.send(),
      })
      await run('tc-clsact', [veth.name, '0'], {
        wanted: /^0 bytes sent, [1-9]\d* dropped$/m,
        happen: () => veth.send(),
      })
    })

    requiresFeature('netfilter', 'netfilter drops UDP packets to one port', async () => {
      await run('netfilter', ['4321'], {
        wanted: /^[1-9]\d* accepted, [1-9]\d* dropped$/m,
        happen: () => Promise.all([sendUdp(4321), sendUdp(4322)]),
      })
    })

    requiresKernel('5.9', 'sk-lookup accepts connections on a range of ports', async () => {
      await run('sk-lookup', ['6900', '6901'], {
        wanted: /^[1-9]\d* connections$/m,
        happen: async () => expect(await converse(6901)).toBe('this is port 6901\n'),
      })
    })

    const asking = useProgram(congested)
    requiresKernel('6.4', 'tcp-congestion is used by sockets that ask for it', async () => {
      await run('tcp-congestion', [], {
        ready: /TCP can use .*bpf_counted/,
        wanted: /^[1-9]\d* connections, \d+ losses$/m,
        happen: () => execFileSync(asking(), ['bpf_counted']),
      })
    })

    it('cgroup refuses connections to other ports', async () => {
      const inside = `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`
      const script = `require('net').connect(9, '127.0.0.1').on('error', () => {})`
      await run('cgroup', [cgroup(), '443'], {
        wanted: /^0 allowed, [1-9]\d* refused$/m,
        happen: () => execFileSync('sh', ['-c', inside, process.execPath, script]),
      })
    })

    requiresFeature('lsm', 'lsm refuses sockets inside the cgroup', async () => {
      const inside = `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`
      const script = `require('dgram').createSocket('udp4').on('error', () => {}).bind(0)`
      await run('lsm', [cgroup()], {
        wanted: /^\d+ allowed, [1-9]\d* refused$/m,
        happen: () => execFileSync('sh', ['-c', inside, process.execPath, script]),
      })
    })

    it('tail-calls lets known messages through and refuses others', async () => {
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

    requiresKernel('6.6', 'tcx-order runs its programs in order', async () => {
      const said = await run('tcx-order', [veth.name, '4322'], {
        wanted: /^[1-9]\d* packets to port 4322$/m,
        happen: () => Promise.all([sendUdp(4322, veth.peer), sendUdp(4323, veth.peer)]),
      })
      expect(said).toMatch(new RegExp(`^egress on ${veth.name}, revision \\d+: programs \\d+, \\d+;`, 'm'))
    })

    it('packets writes the packets of a port to a pcapng file', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
      chmodSync(folder, 0o777)
      try {
        const path = join(folder, 'packets.pcapng')
        await run('packets', [veth.name, '4321', path], {
          wanted: /^[1-9]\d* packets, 0 lost$/m,
          happen: () => {
            veth.send(4321, 'wanted')
            veth.send(4322, 'other')
          },
        })
        const file = readFileSync(path)
        const types: number[] = []
        let at = 0
        for (let size: number; at < file.length; at += size) {
          types.push(file.readUInt32LE(at))
          size = file.readUInt32LE(at + 4)
          expect(file.readUInt32LE(at + size - 4)).toBe(size)
        }
        expect(at).toBe(file.length)
        expect([...new Set(types)]).toEqual([0x0a0d0d0a, 1, 6])
        expect(file.includes('wanted')).toBe(true)
        expect(file.includes('other')).toBe(false)
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

    requiresKernel('5.11', 'xdp-blocklist drops packets from 100,000 networks, and counts them', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
      chmodSync(folder, 0o755)
      const file = join(folder, 'networks.txt')
      const lines = Array.from(
        { length: 100_000 },
        (_, i) => `198.${18 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}/32`,
      )
      const save = (more: string) => {
        writeFileSync(`${file}.new`, `${lines.join('\n')}\n${more}\n`, { mode: 0o644 })
        renameSync(`${file}.new`, file)
      }
      save('192.0.2.0/24')
      try {
        let pid: number | undefined
        const said = await run('xdp-blocklist', [veth.name, file], {
          wanted: new RegExp(`^${veth.peer.replace(/\.2$/, '.0')}/24: [1-9]\\d* packets dropped$`, 'm'),
          started: (child) => {
            pid = child.pid
          },
          happen: () => {
            save(veth.peer.replace(/\.2$/, '.0/24'))
            process.kill(pid!, 'SIGHUP')
            veth.send()
          },
        })
        expect(said).toContain('100001 networks are blocked')
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

    requiresKernel('5.16', 'xdp-responder answers ARP and ping', async () => {
      const address = veth.address.replace(/\.1$/, '.77')
      await run('xdp-responder', [veth.name, address], {
        wanted: /^[1-9]\d* ARP, [2-9]\d* pings$/m,
        happen: () => {
          expect(inNetns(`arping -c 2 -w 5 -I ${veth.peerName} ${address}`)).toMatch(/\[02:00:00:00:00:77\]/)
          expect(inNetns(`ping -c 3 -i 0.2 -W 5 ${address}`)).toContain('3 received')
        },
      })
    })

    requiresKernel('5.16', 'xdp-dns-cache asks another server once, and then answers itself', async () => {
      let asked = 0
      let failures = 0
      const server = createSocket('udp4').on('message', (question, { port, address }) => {
        asked++
        const header = Buffer.from(question.subarray(0, 12))
        header.set([0x81, 0x80, 0, 1, 0, 1], 2)
        if (question.includes('later') && failures++ === 0) {
          // SERVFAIL, without an answer
          header.set([0x82, 0, 1, 0, 0], 3)
          server.send(Buffer.concat([header, question.subarray(12)]), port, address)
          return
        }
        // The name of the question, an address, for a minute.
        const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53])
        server.send(Buffer.concat([header, question.subarray(12), record]), port, address)
      })
      server.bind(0, '127.0.0.1')
      await once(server, 'listening')
      // The server answers while dig waits.
      const dig = async (name: string) => {
        const command = [
          'netns',
          'exec',
          veth.netns,
          'dig',
          '+short',
          '+tries=5',
          '+time=1',
          `@${veth.address}`,
          name,
        ]
        return (await promisify(execFile)('ip', command)).stdout.trim()
      }
      try {
        await run('xdp-dns-cache', [veth.name, '127.0.0.1', String(server.address().port)], {
          wanted: /^[1-9]\d* answered from memory, \d+ asked$/m,
          happen: async () => {
            expect(await dig('example.org')).toBe('192.0.2.53')
            expect(await dig('EXAMPLE.org')).toBe('192.0.2.53')
            // A server that fails once is asked again.
            await dig('later.example.org')
            expect(await dig('later.example.org')).toBe('192.0.2.53')
          },
        })
        expect(asked).toBeGreaterThan(0)
      } finally {
        server.close()
      }
    })

    requiresKernel('5.16', 'xdp-record writes what tcpdump reads', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
      chmodSync(folder, 0o777)
      const file = join(folder, 'packets.pcapng')
      try {
        const said = await run('xdp-record', [veth.name, file], {
          wanted: /^[1-9]\d* packets, 0 lost$/m,
          happen: () => inNetns(`echo recorded > /dev/udp/${veth.address}/4000`),
        })
        const lines = execFileSync('tcpdump', ['-nn', '-r', file], { encoding: 'utf8', stdio: 'pipe' })
        expect(lines).toMatch(/ARP, Request who-has|IP [\d.]+ > [\d.]+\.4000: UDP, length 9/)
        const [, count] = /^(\d+) packets/m.exec(said.split('\n').findLast((line) => / packets/.test(line))!)!
        expect(lines.trim().split('\n').length).toBeGreaterThanOrEqual(Number(count))
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

    it('xdp-count counts packets by protocol', async () => {
      await run('xdp-count', [veth.name], { wanted: /^IPv4: [1-9]/m, happen: () => veth.send() })
    })

    it('xdp-update switches programs on SIGHUP', async () => {
      let hangups = 0
      const said = await run('xdp-update', [veth.name], {
        // The first packets pass, later ones are dropped, and then they pass again.
        wanted: /^the gate is shut.*^\d+ passed, [1-9]\d* dropped$.*^the gate is open/ms,
        happen: (said) => {
          veth.send()
          const due = /, [1-9]\d* dropped$/m.test(said) ? 2 : /^[1-9]\d* passed/m.test(said) ? 1 : 0
          if (hangups >= due) return
          hangups++
          process.kill(Number(/process (\d+)/.exec(said)![1]), 'SIGHUP')
        },
      })
      const programs = [...said.matchAll(/^the gate is (?:open|shut): program (\d+)$/gm)].map(([, id]) => id)
      expect(new Set(programs).size).toBe(2)
    })

    requires(netkit, 'netkit lets packets through to one address only', async () => {
      const name = `${veth.name}k`
      const allowed = '10.212.1.1'
      ip('link', 'add', name, 'type', 'netkit')
      try {
        const peer = /@([^:]+):/.exec(ip('-o', 'link', 'show', name))![1]!
        ip('link', 'set', peer, 'netns', veth.netns)
        ip('addr', 'add', `${allowed}/24`, 'dev', name)
        ip('link', 'set', name, 'up')
        ip('-n', veth.netns, 'addr', 'add', '10.212.1.2/24', 'dev', peer)
        ip('-n', veth.netns, 'link', 'set', peer, 'up')
        await run('netkit', [name, allowed], {
          wanted: /^[1-9]\d* sent, [1-9]\d* dropped$/m,
          happen: () => {
            for (const to of [allowed, '10.212.1.3']) inNetns(`echo x > /dev/udp/${to}/4000`)
          },
        })
      } finally {
        ip('link', 'del', name)
      }
    })

    requiresKernel('5.8', 'flow-dissector sees the packets of a network namespace', async () => {
      // The kernel dissects flows when it spreads packets over CPUs.
      inNetns(`echo 1 > /sys/class/net/${veth.peerName}/queues/rx-0/rps_cpus`)
      await run('flow-dissector', [`/run/netns/${veth.netns}`], {
        wanted: /^[1-9]\d* packets$/m,
        happen: () => sendUdp(4000, veth.peer),
      })
    })

    it('sk-msg passes data between two sockets without TCP', async () => {
      const inside = `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`
      const script = `
        const server = require('net').createServer((socket) => socket.end('answer')).listen(6902, '127.0.0.1', () => {
          require('net').connect(6902, '127.0.0.1').on('data', (data) => {
            process.stdout.write(data)
            server.close()
          })
        })`
      await run('sk-msg', [cgroup(), '6902'], {
        wanted: /^[1-9]\d* bytes bypassed TCP$/m,
        happen: () =>
          expect(execFileSync('sh', ['-c', inside, process.execPath, script]).toString()).toBe('answer'),
      })
    })

    requiresKernel('5.16', 'stream-parser delivers whole records only', async () => {
      let sent = false
      const said = await run('stream-parser', ['8'], {
        wanted: /records: .*fourth--$/m,
        happen: async (said) => {
          if (sent) return
          sent = true
          const socket = connect(Number(/port (\d+)/.exec(said)![1]), '127.0.0.1')
          await once(socket, 'data')
          // Half a record, which is not delivered; the rest of it with a whole one; and two at once.
          for (const text of ['fir', 'st---second--', 'third---fourth--']) {
            socket.write(text)
            await setTimeout(100)
          }
          socket.end()
        },
      })
      const heard = [...said.matchAll(/^(\d) complete records: (.*)$/gm)]
      expect(heard.map(([, , text]) => text).join('')).toBe('first---second--third---fourth--')
      for (const [, count, text] of heard) expect(text!.length).toBe(Number(count) * 8)
    })

    const socketsFor = useProgram(twoSockets)
    it('reuseport gives each datagram to the server for it', async () => {
      const said = await run('reuseport', ['10', '11'], {
        under: [socketsFor()],
        wanted: /^server 1 got 'b'.*^[1-9]\d* dispatched, [1-9]\d* refused$/ms,
        happen: async (said) => {
          const port = Number(/port (\d+)/.exec(said)![1])
          for (const text of ['a', 'b', 'c']) await sendUdp(port, '127.0.0.1', text)
        },
      })
      expect(said).toMatch(/^server 0 got 'a'$/m)
      expect(said).not.toMatch(/server 0 got 'b'|server 1 got 'a'|got 'c'/)
    })

    requiresKernel('5.14', 'syscall removes old entries with one call', async () => {
      expect(await runToEnd('syscall', ['6000'])).toMatch(/^checked 6000 entries and removed 3000 in /)
    })
  })
}
