// An agent that gets new settings or a new version without missing an event: node dist/examples/replace/replace.js
// Send the process SIGHUP to replace its program.
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8.
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
// A raw tracepoint cannot be updated atomically, but the dispatcher in front of the program can.
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
    console.log(`now counting from user id ${firstUid}; switched in ${Number(duration) / 1e3} microseconds`)
  } catch (error) {
    // The old version keeps running.
    next.close()
    console.error(error)
  }
})

console.log(`process ${process.pid} counts programs that are started`)
const timer = setInterval(() => console.log(new Map(obj.maps.executions)), 1000)
process.once('SIGINT', () => {
  clearInterval(timer)
  obj.close()
})
