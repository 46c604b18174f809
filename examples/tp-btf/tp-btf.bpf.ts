// tp-btf.bpf.c in TypeScript: measures how long tasks wait for a CPU, from waking up to running.
import {
  type array,
  bpf,
  bss,
  hash,
  type kernel,
  range,
  type s32,
  tpBtf,
  u32,
  type u64,
} from 'libbpf-node/kernel'

export const woken = hash<u32, u64>(10240)

// How many tasks waited for less than 1, 2, 4, 8... microseconds.
export const slots = bss<array<u64, 26>>()

function note(task: kernel.task_struct): s32 {
  woken.set(u32(task.pid), bpf.ktimeGetNs())
  return 0
}

export const on_wakeup = tpBtf('sched_wakeup', (task) => note(task))

export const on_birth = tpBtf('sched_wakeup_new', (task) => note(task))

export const on_switch = tpBtf('sched_switch', (_preempted, _before, task) => {
  const id = u32(task.pid)
  const since = woken.get(id)
  if (!since) return 0
  let us: u64 = (bpf.ktimeGetNs() - since.value) / 1000
  for (const slot of range(26)) {
    if (us === 0 || slot === 25) {
      slots[slot] += 1
      break
    }
    us >>= 1
  }
  woken.delete(id)
  return 0
})

export const license = 'GPL'
