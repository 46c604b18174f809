// BpfObject.replace under load, and when it fails.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type BpfMap,
  BpfObject,
  type CgroupLinkInfo,
  type ExchangeKind,
  queryXdp,
  VerifierError,
} from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { ip, useProgram, useVeth } from '../attach/surroundings.js'
import { requiresKernel } from '../helpers/kernel.js'
import { objectPath, open, thrownBy } from '../helpers/objects.js'
import { useCgroup, useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

const veth = useVeth()
const cgroup = useCgroup()
useTracefs()

/**
 * A program that waits for a line, produces events until the next line, and prints their number. It sends packets in
 * bursts of 128, because the queue of a veth holds 256.
 */
const program = useProgram(`
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((noinline)) void probed(void) { __asm__ volatile(""); }

int main(int argc, char** argv) {
  char packet[64], line[2];
  memset(packet, 0xff, sizeof packet);
  packet[12] = 0x88, packet[13] = 0xb5;
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};
  int fd = -1;
  if (argc > 2) {
    fd = socket(AF_PACKET, SOCK_RAW, 0);
    to.sll_ifindex = if_nametoindex(argv[2]);
  }
  struct pollfd told = {.fd = 0, .events = POLLIN};
  read(0, line, sizeof line);
  long count = 0;
  while (poll(&told, 1, 0) == 0) {
    for (int i = 0; i < 128; i++, count++) {
      if (*argv[1] == 'p' && sendto(fd, packet, sizeof packet, 0, (void*)&to, sizeof to) < 0) return 1;
      if (*argv[1] == 'c') syscall(SYS_getppid);
      if (*argv[1] == 'u') probed();
    }
    usleep(100);
  }
  printf("%ld", count);
  return 0;
}
`)

interface Counts {
  programs: 'packets' | 'calls' | 'probe' | 'executions' | 'egress'
  maps: { counts: BpfMap<number, bigint[]> }
}

function version(number: 1 | 2 | 'rejected', programs: string[], producer = 0): BpfObject<Counts> {
  const object = BpfObject.open<Counts>(objectPath(`replace-${number}`))
  for (const name of programs) object.programs.get(name)!.autoload = true
  object.rodata.producer = producer
  return object
}

const sum = (values: bigint[] | undefined): number => Number(values!.reduce((a, b) => a + b, 0n))
const counted = (object: BpfObject<Counts>): [number, number] => [
  sum(object.maps.counts.get(1)),
  sum(object.maps.counts.get(2)),
]

/** A process that produces events from `go` until `stop`, which returns their number. */
function producer(command: string, args: string[]) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return {
    pid: child.pid!,
    go: () => child.stdin.write('\n'),
    stop: async (): Promise<number> => {
      child.stdin.end('\n')
      expect(await ended).toBe(0)
      return Number(said)
    },
  }
}

/**
 * Replaces an object repeatedly while events are produced, each time after it has counted some. Returns the last
 * version and the number of events.
 */
async function swapUnderLoad(
  first: BpfObject<Counts>,
  name: string,
  { pid, go, stop }: ReturnType<typeof producer>,
): Promise<{ last: BpfObject<Counts>; kinds: Set<ExchangeKind>; made: number }> {
  const kinds = new Set<ExchangeKind>()
  let last = first
  go()
  for (let swaps = 0; swaps < 8; swaps++) {
    const before = counted(last)[swaps % 2]!
    await until('it counts', () => counted(last)[swaps % 2]! > before)
    const next = version(swaps % 2 === 0 ? 2 : 1, [name], pid)
    const { links, maps } = await last.replace(next)
    for (const { kind } of links) kinds.add(kind)
    expect(maps.sort()).toEqual(['counts', 'events'])
    last.close()
    last = next
  }
  return { last, kinds, made: await stop() }
}

/** The number of packets that no XDP program saw, because the queue was full. */
function droppedBefore(): number {
  const [link] = JSON.parse(ip('-n', veth.netns, '-j', '-s', 'link', 'show', veth.peerName))
  return link.stats64.tx.dropped
}

describe('BpfObject.replace', () => {
  it('loses no packet and counts none twice', async () => {
    const sender = producer('ip', ['netns', 'exec', veth.netns, program(), 'packets', veth.peerName])
    const first = version(1, ['packets'])
    await first.load()
    first.program('packets').attachXdp(veth.name)
    const { last, kinds, made } = await swapUnderLoad(first, 'packets', sender)
    using _last = last
    expect(kinds).toEqual(new Set(['updated']))
    const dropped = droppedBefore()
    await until('all have come', () => counted(last)[0] + counted(last)[1] + dropped >= made)
    const [one, two] = counted(last)
    expect(one + two + dropped).toBe(made)
    expect(two).toBeGreaterThan(0)
    expect(queryXdp(veth.name).programId).toBe(last.program('packets').id)
  })

  const attach = {
    calls: (object: BpfObject<Counts>) => object.program('calls').attach(),
    probe: (object: BpfObject<Counts>) =>
      object.program('probe').attachUprobe(program(), { symbol: 'probed' }),
  }
  for (const name of ['calls', 'probe'] as const) {
    it(`counts each of the ${name} once if the program is replaceable`, async () => {
      const caller = producer(program(), [name === 'calls' ? 'c' : 'u'])
      const first = version(1, [name], caller.pid)
      first.program(name).replaceable = true
      await first.load()
      const link = attach[name](first)
      const { last, kinds, made } = await swapUnderLoad(first, name, caller)
      using _last = last
      expect(kinds).toEqual(new Set(['switched']))
      const [one, two] = counted(last)
      expect(one + two).toBe(made)
      expect(two).toBeGreaterThan(0)
      expect([...last.links]).toEqual([link])
    })
  }

  it('loses no event if the program is not replaceable, but may count some twice', async () => {
    const caller = producer(program(), ['c'])
    const first = version(1, ['calls'], caller.pid)
    await first.load()
    attach.calls(first)
    const { last, kinds, made } = await swapUnderLoad(first, 'calls', caller)
    using _last = last
    expect(kinds).toEqual(new Set(['overlapped']))
    const [one, two] = counted(last)
    expect(one + two).toBeGreaterThanOrEqual(made)
  })

  it('lets readers of the old maps go on reading', async () => {
    const first = version(1, ['executions'])
    await first.load()
    first.attach()
    using ring = first.ringBuffer('events')
    const seen: number[] = []
    ring.on((record) => seen.push(new DataView(record.buffer, record.byteOffset).getUint32(0, true)))
    execFileSync('true')
    await until('the first version saw it', () => seen.includes(1))
    using second = version(2, ['executions'])
    await first.replace(second)
    first.close()
    seen.length = 0
    execFileSync('true')
    await until('the second version saw it', () => seen.length > 0)
    expect(new Set(seen)).toEqual(new Set([2]))
  })

  it('changes nothing when the verifier rejects the new version', async () => {
    using first = version(1, ['packets'])
    await first.load()
    using link = first.program('packets').attachXdp(veth.name)
    const { programId } = queryXdp(veth.name)
    using rejected = version('rejected', ['packets'])
    await expect(first.replace(rejected)).rejects.toBeInstanceOf(VerifierError)
    expect(queryXdp(veth.name).programId).toBe(programId)
    expect([...first.links]).toEqual([link])
  })

  it('moves the first links back when a later one cannot be moved', async () => {
    using first = version(1, ['packets', 'calls'])
    await first.load()
    using xdp = first.program('packets').attachXdp(veth.name)
    using call = first.program('calls').attach()
    const { programId } = queryXdp(veth.name)
    using second = version(2, ['packets'])
    // Its program 'calls' is not loaded, so it cannot be attached.
    await expect(first.replace(second)).rejects.toMatchObject({ code: 'ERR_BPF_STATE' })
    expect(queryXdp(veth.name).programId).toBe(programId)
    expect(new Set(first.links)).toEqual(new Set([xdp, call]))
    second.close()
    expect(queryXdp(veth.name).programId).toBe(programId)
  })

  requiresKernel(
    '5.9',
    'moves the live links when an interface or a cgroup is gone, and reports the dead ones',
    async () => {
      const [doomed, folder] = [`lbn${process.pid % 10000}c`, `${cgroup()}/doomed`]
      ip('link', 'add', doomed, 'type', 'veth', 'peer', 'name', `${doomed}p`)
      mkdirSync(folder)
      using first = version(1, ['packets', 'egress'])
      await first.load()
      using onInterface = first.program('packets').attachXdp(doomed)
      using live = first.program('packets').attachXdp(veth.name)
      using onCgroup = first.program('egress').attachCgroup(folder)
      ip('link', 'del', doomed)
      rmdirSync(folder)
      expect(onInterface.info()).toMatchObject({ type: 'xdp', ifindex: 0 })
      await until('the cgroup is gone', () => (onCgroup.info() as CgroupLinkInfo).cgroupId === 0n)
      using second = version(2, ['packets', 'egress'])
      expect(thrownBy(() => onInterface.update(first.program('packets')))).toMatchObject({
        code: 'ENOLINK',
        message: expect.stringContaining('its target (interface, cgroup, network namespace) is gone'),
      })
      const { links, gone } = await first.replace(second)
      expect(links).toEqual([{ link: live, kind: 'updated' }])
      expect(new Set(gone)).toEqual(new Set([onInterface, onCgroup]))
      expect(queryXdp(veth.name).programId).toBe(second.program('packets').id)
      expect(new Set(first.links)).toEqual(new Set(gone))
      expect([...second.links]).toEqual([live])
      const cli = fileURLToPath(new URL('../../dist/lib/cli/main.js', import.meta.url))
      const stdout = execFileSync(process.execPath, [cli, 'link', 'list'], { encoding: 'utf8' })
      expect(stdout).toMatch(new RegExp(`^ *${onInterface.info().id} .* gone `, 'm'))
      expect(stdout).toMatch(new RegExp(`^ *${onCgroup.info().id} .* cgroup_inet_egress gone `, 'm'))
    },
  )

  it('says what does not match before anything is loaded', async () => {
    using first = version(1, ['packets'])
    await first.load()
    first.program('packets').attachXdp(veth.name)
    using other = open('links')
    await expect(first.replace(other)).rejects.toMatchObject({
      code: 'ERR_BPF_NOT_FOUND',
      message: expect.stringContaining(`no program 'packets'`),
    })
    using larger = version(2, ['packets'])
    larger.map('counts').maxEntries = 8
    await expect(first.replace(larger)).rejects.toMatchObject({
      code: 'ERR_BPF_MISMATCH',
      message: expect.stringContaining('maxEntries 4 instead of 8'),
    })
    const { maps } = await first.replace(larger, { maps: ['events'] })
    expect(maps).toEqual(['events'])
    await expect(first.replace(larger)).rejects.toMatchObject({ code: 'ERR_BPF_STATE' })
  })

  it('leaves the link to the object of its new program', async () => {
    const first = version(1, ['packets'])
    await first.load()
    const link = first.program('packets').attachXdp(veth.name)
    using second = version(2, ['packets'])
    await second.load()
    link.update(second.program('packets'))
    first.close()
    expect(link.closed).toBe(false)
    expect(queryXdp(veth.name).programId).toBe(second.program('packets').id)
    second.close()
    expect(link.closed).toBe(true)
    expect(queryXdp(veth.name).programId).toBe(0)
  })
})

describe('the example replace', () => {
  it('switches versions on SIGHUP and goes on counting', async () => {
    const example = fileURLToPath(new URL('../../dist/examples/replace/replace.js', import.meta.url))
    const child = spawn(process.execPath, [example], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (text) => {
      output += text
    })
    await until('it counts', () => output.includes('counts programs that are started'))
    execFileSync('true')
    child.kill('SIGHUP')
    await until('it has switched', () => output.includes('now counting from user id 1000'))
    // Executions by root are no longer counted, but the earlier counts are kept.
    await until('it says what it counted', () => /now counting from.*Map\(\d+\) \{ 0 => \d+n/s.test(output))
    child.kill('SIGINT')
    const [status] = await once(child, 'exit')
    expect(status).toBe(0)
  })
})
