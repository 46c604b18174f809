// What goes wrong with AF_XDP sockets if one does not know it.
import { XdpSocket } from 'libbpf-node/xdp'
import { describe, expect, it } from 'vitest'
import { ip } from '../attach/surroundings.js'
import { asLesserRoot, runChild } from '../helpers/child.js'
import { thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { experimental, numberOf, numbers, packet, usePair } from './pair.js'

const pair = usePair()
const filter = { etherType: experimental }

const head = `
  import { XdpSocket } from 'libbpf-node/xdp'
  import { setTimeout as sleep } from 'node:timers/promises'
  const [, a, b] = process.argv
  const filter = { etherType: ${experimental} }
  const packet = new Uint8Array(64).fill(255, 0, 6)
  new DataView(packet.buffer).setUint16(12, ${experimental})
`
const run = (script: string, under: string[] = []) => runChild(head + script, [pair.a, pair.b], { under })

describe('an AF_XDP socket that waits', () => {
  it('does not keep the processor busy, although it could send at any time', async () => {
    const { stdout, stderr } = await run(`
      const from = await XdpSocket.open(a, { filter })
      let seen = 0
      from.drain((batch) => { seen += batch.length })
      from.send(packet)
      await sleep(200)
      const used = process.cpuUsage()
      await sleep(2000)
      const { user, system } = process.cpuUsage(used)
      console.log(JSON.stringify({ busy: user + system > 1e6, seen }))
      from.close()
    `)
    expect({ stdout, stderr }).toEqual({ stdout: '{"busy":false,"seen":0}\n', stderr: '' })
  })

  it('keeps the process alive, unless it is told not to', async () => {
    const { status, stdout } = await run(`
      const socket = await XdpSocket.open(a, { filter })
      socket.drain(() => {}).unref()
      console.log('end')
    `)
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'end\n' })
    const alive = await run(`
      const socket = await XdpSocket.open(a, { filter })
      socket.drain(() => {})
      setTimeout(() => { console.log('still here'); socket.close() }, 500).unref()
    `)
    expect(alive.stdout).toBe('still here\n')
  })

  it('is collected if nothing refers to it', async () => {
    const { stdout } = await runChild(
      `${head}
       const { readdirSync, readlinkSync } = await import('node:fs')
       const sockets = () => readdirSync('/proc/self/fd').filter((fd) => { try { return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:') } catch { return false } }).length
       const before = sockets()
       await (async () => { await XdpSocket.open(a, { redirect: false }) })()
       const during = sockets() - before
       for (let i = 0; i < 50 && sockets() > before; i++) { gc(); await sleep(10) }
       console.log(during, sockets() - before)`,
      [pair.a, pair.b],
      { node: ['--expose-gc'] },
    )
    expect(stdout).toBe('1 0\n')
  })
})

describe('sending', () => {
  it('goes beyond the 32 frames that one system call sends', async () => {
    using from = await XdpSocket.open(pair.a, { redirect: false })
    using to = await XdpSocket.open(pair.b, { filter })
    const seen: number[] = []
    to.drain((batch) => {
      for (let i = 0; i < batch.length; i++) seen.push(numberOf(batch.frame(i)))
    })
    for (let i = 0; i < 1000; i++) expect(from.send(packet(i))).toBe(true)
    from.flush()
    await until('all have arrived', () => seen.length === 1000)
    expect(seen).toEqual(numbers(1000))
  })

  it('counts frames that the device drops, and loses none of the memory', async () => {
    using from = await XdpSocket.open(pair.a, { redirect: false })
    ip('link', 'set', pair.b, 'down')
    try {
      for (let i = 0; i < 100; i++) from.send(packet(i))
      from.flush()
      await until('all are gone', () => from.memory.counts.sending === 0)
      expect(from.stats.txDropped).toBe(100n)
      await until('the kernel says so', () => from.stats.unsent === 0)
    } finally {
      ip('link', 'set', pair.b, 'up')
    }
  })

  it('returns false when there is no room, and works again later', async () => {
    using from = await XdpSocket.open(pair.a, { redirect: false, txSize: 64, completionSize: 64 })
    ip('link', 'set', pair.a, 'down')
    let accepted = 0
    try {
      while (accepted < 5000 && from.send(packet(accepted))) accepted++
      expect(accepted).toBe(64)
      // The kernel refuses while the interface is down. That may pass, so nothing is lost.
      from.flush()
      expect(from.stats.unsent).toBe(64)
    } finally {
      ip('link', 'set', pair.a, 'up')
    }
    await until('all are sent, without another call', () => from.stats.unsent === 0)
    await until('their frames are free', () => from.memory.counts.sending === 0)
    expect(from.send(packet(1))).toBe(true)
  })

  it('refuses packets that are empty, too long, or none', async () => {
    using from = await XdpSocket.open(pair.a, { redirect: false })
    expect(() => from.send(new Uint8Array(0))).toThrow('packet has 0 bytes')
    expect(() => from.send(new Uint8Array(2049))).toThrow('packet has 2049 bytes')
    expect(() => from.send('x' as never)).toThrow('packet is not a Uint8Array')
    from.close()
    expect(thrownBy(() => from.send(packet(1)))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(thrownBy(() => from.flush())).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(thrownBy(() => from.fd)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    from.close()
  })
})

describe('a queue', () => {
  it('can be bound again as soon as its socket is closed', async () => {
    for (let i = 0; i < 20; i++) (await XdpSocket.open(pair.b, { filter })).close()
    for (let i = 0; i < 5; i++) XdpSocket.openSync(pair.b, { filter }).close()
  })
})

describe('frames that JavaScript holds', () => {
  it('stop the ring when there are no others, and it goes on when they are released', async () => {
    using from = await XdpSocket.open(pair.a, { redirect: false })
    using to = await XdpSocket.open(pair.b, {
      filter,
      frames: 128,
      fillSize: 128,
      rxSize: 128,
      txSize: 0,
    })
    const kept: number[] = []
    to.drain((batch) => {
      for (let i = 0; i < batch.length; i++) kept.push(batch.keep(i))
    })
    for (let i = 0; i < 300; i++) from.send(packet(i))
    from.flush()
    await until('all frames are held', () => kept.length === 128)
    await until('the kernel counts', () => to.stats.fillRingEmpty + to.stats.rxDropped > 0n)
    expect(to.memory.counts).toMatchObject({ held: 128, free: 0 })
    for (const offset of kept.splice(0)) to.release(offset)
    from.send(packet(7))
    await until('packets arrive again', () => kept.length > 0)
  })
})

describe('an interface that is deleted', () => {
  it('ends drain() with an error, and all that follows', async () => {
    const { stdout, stderr } = await run(`
      const { execFileSync } = await import('node:child_process')
      process.on('uncaughtException', ({ code, message }) => {
        let flushed, sent = socket.send(packet)
        try { socket.flush() } catch (error) { flushed = error.code }
        console.log(code, message.endsWith('the interface was deleted (ENETDOWN)'), sent, flushed)
        socket.close()
      })
      execFileSync('ip', ['link', 'add', 'lbxgone', 'type', 'veth', 'peer', 'name', 'lbxgone2'])
      execFileSync('sh', ['-c', 'ip link set lbxgone up; ip link set lbxgone2 up'])
      const socket = await XdpSocket.open('lbxgone', { filter })
      socket.drain(() => {})
      execFileSync('ip', ['link', 'del', 'lbxgone'])
    `)
    expect({ stdout, stderr }).toEqual({ stdout: 'ENETDOWN true true ENXIO\n', stderr: '' })
  })

  it('ends batches() with an error', async () => {
    using to = await XdpSocket.open(pair.b, { filter })
    const next = to.batches().next()
    pair.renew()
    await expect(next).rejects.toMatchObject({ code: 'ENETDOWN' })
  })
})

describe('without CAP_IPC_LOCK', () => {
  it('memory beyond the limit is refused, with the way out', async () => {
    const { stdout } = await run(
      `const error = await XdpSocket.open(a, { redirect: false }).catch((error) => error)
       console.log(error.code, error.message)`,
      ['prlimit', '--memlock=65536', ...asLesserRoot('CAP_NET_RAW', 'CAP_NET_ADMIN', 'CAP_BPF')],
    )
    expect(stdout).toBe(
      `ENOBUFS AF_XDP socket of '${pair.a}', queue 0: its memory of 8192 KiB is more than may be locked (ulimit -l); run with CAP_IPC_LOCK, raise the limit, or use fewer frames (ENOBUFS)\n`,
    )
  })

  it('and without CAP_NET_RAW there is no socket', async () => {
    const { stdout } = await run(
      `const error = await XdpSocket.open(a, { redirect: false }).catch((error) => error)
       console.log(error.code, error.message)`,
      asLesserRoot('CAP_NET_ADMIN', 'CAP_BPF'),
    )
    expect(stdout).toBe(`EPERM AF_XDP socket of '${pair.a}', queue 0: it requires CAP_NET_RAW (EPERM)\n`)
  })
})
