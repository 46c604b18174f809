// Drops packets from the networks in a file, one per line such as 10.1.0.0/16, and counts them for each network:
// node dist/examples/xdp-blocklist/xdp-blocklist.js eth0 networks.txt
// Send the process SIGHUP to read the file again: what stays in it keeps its counter. Write the new list to another file
// and rename it, so that a half-written list is never read.
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.11; before 6.6 also CAP_PERFMON, to read packets.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'

const [name, file] = process.argv.slice(2)
if (name === undefined || file === undefined) throw new Error('usage: xdp-blocklist.js INTERFACE FILE')

using obj = BpfObject.open(new URL('./xdp-blocklist.bpf.o', import.meta.url))
await obj.load()
const blocked = obj.map<{ length: number; address: number }, number>('blocked').cidr
let networks = new Set<string>()

function update(): void {
  const wanted = new Set(
    readFileSync(file!, 'utf8')
      .split('\n')
      .filter((line) => line !== ''),
  )
  // Both go to the kernel in batches of some thousands.
  blocked.setMany([...wanted].filter((one) => !networks.has(one)).map((one) => [one, 0]))
  blocked.deleteMany([...networks].filter((one) => !wanted.has(one)))
  networks = wanted
  console.log(`${networks.size} networks are blocked`)
}

update()
process.on('SIGHUP', () => {
  try {
    update()
  } catch (error) {
    console.error(`${file}: ${(error as Error).message}; the networks so far stay blocked`)
  }
})
const link = obj.program('filter').attachXdp(name)
console.log(`on ${name}, ${link.mode} XDP; press Ctrl-C to stop`)

const timer = setInterval(() => {
  const counted = [...blocked].filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a)
  for (const [network, count] of counted.slice(0, 10)) console.log(`${network}: ${count} packets dropped`)
}, 1000)
await once(process, 'SIGINT')
clearInterval(timer)
