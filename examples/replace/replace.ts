// An agent that takes new settings, or a new version, without missing an event: node dist/examples/replace/replace.js; kill -HUP its process
// Takes CAP_BPF and CAP_PERFMON. Linux 5.8.
import { type BpfMap, BpfObject } from 'libbpf-node'

interface Agent {
  programs: 'count'
  maps: { executions: BpfMap<number, bigint> }
  rodata: { first_uid: number }
}

function open(firstUid: number): BpfObject<Agent> {
  const obj = BpfObject.open<Agent>(new URL('./replace.bpf.o', import.meta.url))
  obj.rodata.first_uid = firstUid
  return obj
}

let firstUid = 0
let obj = open(firstUid)
// A raw tracepoint has no atomic update: the dispatcher in front of the program has.
obj.programs.count.replaceable = true
await obj.load()
obj.attach()

process.on('SIGHUP', async () => {
  firstUid = firstUid === 0 ? 1000 : 0
  const next = open(firstUid)
  try {
    const { duration } = await obj.replace(next)
    obj.close()
    obj = next
    console.log(`now from user id ${firstUid} on; switched in ${Number(duration) / 1e3} microseconds`)
  } catch (error) {
    // The old version goes on.
    next.close()
    console.error(error)
  }
})

console.log(`process ${process.pid} counts executions of programs`)
const timer = setInterval(() => console.log(new Map(obj.maps.executions)), 1000)
process.once('SIGINT', () => {
  clearInterval(timer)
  obj.close()
})
