// Functions of struct_ops that get and return references: queues of packets. The listing of docs/kernel-side.md.
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { BpfObject, Btf } from 'libbpf-node'
import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect } from 'vitest'
import { requires, useVeth } from '../../attach/surroundings.js'
import { codeBlocks, readPage } from '../../docs/blocks.js'
import { until } from '../../helpers/until.js'

const veth = useVeth()

const queue = codeBlocks(readPage('docs/kernel-side.md'), 'ts').find((text) => text.includes('Qdisc_ops'))!

/** Whether the kernel asks programs through this struct. */
function here(): boolean {
  using kernel = Btf.fromKernel()
  return kernel.types.find('bpf_struct_ops_Qdisc_ops', 'struct') !== undefined
}

const queues = { here, missing: 'built without CONFIG_NET_SCH_BPF', since: '6.16' }

function mistake(members: string, oldestKernel?: string): string {
  const own = `
    interface Slot { packet: kptr<kernel.sk_buff> }
    export const slots = array<Slot>(1)
    export const fifo = structOps('Qdisc_ops', { ${members} })
    export const license = 'GPL'`
  try {
    compile(own, oldestKernel === undefined ? {} : { oldestKernel })
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter(Boolean).join(' | ')
  }
  return 'compiled'
}

const tc = (...args: string[]) => execFileSync('tc', args, { encoding: 'utf8' })

/** Sends packets through a queue that has variables for how many came in and went out. */
async function sendThrough(text: string, name: string): Promise<void> {
  using object = BpfObject.open(compile(text).object)
  object.loadSync()
  expect(object.attach().length).toBe(1)
  tc('qdisc', 'replace', 'dev', veth.name, 'root', name)
  try {
    expect(tc('qdisc', 'show', 'dev', veth.name)).toContain(`qdisc ${name}`)
    const socket = createSocket('udp4')
    const data = object.data as { head: bigint; tail: bigint; dropped: bigint }
    for (let i = 0; i < 5; i++)
      await new Promise<void>((sent, failed) =>
        socket.send('text', 4000, veth.peer, (error) => (error ? failed(error) : sent())),
      )
    socket.close()
    await until('packets went through it', () => data.head >= 5n && data.head === data.tail)
    expect(data.dropped).toBe(0n)
    expect(tc('-s', 'qdisc', 'show', 'dev', veth.name)).toMatch(/Sent [1-9]\d* bytes [1-9]\d* pkt/)
  } finally {
    tc('qdisc', 'delete', 'dev', veth.name, 'root')
  }
}

describe('a queue of packets', () => {
  requires(queues, 'keeps packets in a map, and returns them', () => sendThrough(queue, 'ts_fifo'))

  requires(queues, 'keeps packets in a list of objects', () =>
    sendThrough(
      `
      interface Node { packet: kptr<kernel.sk_buff>; link: listNode }
      interface Queue { lock: spinLock; packets: list<Node> }
      export const queues = array<Queue>(1)
      export let head = data<u64>(0)
      export let tail = data<u64>(0)
      export let dropped = data<u64>(0)
      export const fifo = structOps('Qdisc_ops', {
        id: 'ts_list',
        enqueue(skb, sch, toFree) {
          const queue = queues.get(0)
          const node = allocate<Node>()
          if (!node || !queue) {
            if (node) free(node)
            kfunc.bpf_qdisc_skb_drop(skb, toFree)
            dropped += 1
            return 1
          }
          const before = node.packet.xchg(skb)
          if (before) kfunc.bpf_qdisc_skb_drop(before, toFree)
          queue.lock.acquire()
          queue.packets.pushBack(node)
          queue.lock.release()
          head += 1
          sch.q.qlen += 1
          return 0
        },
        dequeue(sch) {
          const queue = queues.get(0)
          if (!queue) return null
          queue.lock.acquire()
          const node = queue.packets.popFront()
          queue.lock.release()
          if (!node) return null
          const skb = node.packet.xchg(null)
          free(node)
          if (!skb) return null
          tail += 1
          sch.q.qlen -= 1
          kfunc.bpf_qdisc_bstats_update(sch, skb)
          return skb
        },
        init: () => 0,
        reset(sch) { sch.q.qlen = 0 },
        destroy() {},
      })
      export const license = 'GPL'`,
      'ts_list',
    ),
  )

  requires(queues, 'has mistakes with a place and a hint', () => {
    expect(mistake('enqueue(skb, queue, toFree) { return 1 }')).toBe(
      "the reference 'skb' is still held here | Call kfunc.bpf_kfree_skb(skb) first.",
    )
    expect(
      mistake('enqueue(skb, queue, toFree) { kfunc.bpf_qdisc_skb_drop(skb, toFree); return skb.len }'),
    ).toBe("the reference 'skb' was released, and may no longer be valid")
    expect(
      mistake('enqueue(skb, queue, toFree) { if (queue.limit > 3) kfunc.bpf_kfree_skb(skb); return 1 }'),
    ).toBe("the reference 'skb' is released on one path through this if, and not on the other")
    const dequeue = (body: string) => mistake(`dequeue(queue) { const slot = slots.get(0); ${body} }`)
    const returns = "'dequeue' returns a reference to a struct sk_buff that it holds, or null"
    expect(dequeue('return slot.packet.xchg(null)')).toBe(
      `${returns} | Give it a name first: const one = ..., then return one.`,
    )
    expect(dequeue('if (slot) { const skb = slot.packet.get(); return skb } return null')).toBe(
      `${returns}, and 'skb' is not held`,
    )
    expect(dequeue('return queue')).toBe(`${returns}, and this is a pointer to the kernel's struct Qdisc`)
    expect(dequeue('const n = queue.limit; return n')).toBe(`${returns}, and this is a number`)
    expect(
      dequeue(
        'if (!slot) return null; const skb = slot.packet.xchg(null); if (queue.limit > 3) return null; return skb',
      ),
    ).toBe("the reference 'skb' is still held here | Call kfunc.bpf_kfree_skb(skb) first.")
    expect(
      dequeue(
        'if (!slot) return null; const skb = slot.packet.xchg(null); if (!skb) return null; kfunc.bpf_kfree_skb(skb); return skb',
      ),
    ).toBe("the reference 'skb' was released, and may no longer be valid")
    expect(dequeue('const n = slot.packet.xchg(null); return null')).toBe(
      "'slot' may be null here | Compare it first: if (!slot) return null.",
    )
    expect(mistake('dequeue: (queue) => null', '6.12')).toBe(
      "'dequeue' needs Linux 6.16, and the program has to load into 6.12",
    )
    expect(mistake('enqueue(skb, queue, toFree) { kfunc.bpf_kfree_skb(skb); return 1 }', '6.12')).toBe(
      "'enqueue' needs Linux 6.16, and the program has to load into 6.12",
    )
    // Also one that may be null, which the kernel takes for nothing.
    expect(dequeue('if (!slot) return null; const skb = slot.packet.xchg(null); return skb')).toBe('compiled')
  })
})
