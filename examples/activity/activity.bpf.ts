// The same as activity.bpf.c, in TypeScript: it is compiled without clang. The names are those of the C file, so that
// activity.ts reads the records of either.
import {
  bpf,
  bss,
  type bytes,
  type char,
  hash,
  type kernel,
  range,
  ringbuf,
  rodata,
  s32,
  type s64,
  tpBtf,
  tracepoint,
  u8,
  type u16,
  u32,
  u64,
  zero,
} from 'libbpf-node/kernel'

const AF_INET6 = 10
const IPPROTO_TCP = 6
const PF_KTHREAD = 0x00200000
const SIGNAL_GROUP_EXIT = 0x00000004
const TCP_ESTABLISHED = 1
const TCP_SYN_SENT = 2
const TCP_CLOSE = 7

export const license = 'GPL'

// Set before loading. They are constants for the verifier, so a filter that is off costs nothing.
export const own_pid = rodata<u32>(0)
export const target_pid = rodata<u32>(0)
export const target_comm = rodata<char<16>>()

// Records that found no room in the ring. User space reads this while the programs run.
export let lost = bss<u64>()

const KIND_EXEC = 1
const KIND_EXIT = 2
const KIND_OPEN = 3
const KIND_CONNECT = 4

interface process {
  pid: u32
  comm: char<16>
}

// Every record starts with this header. `kind` comes first, because it tells the reader what follows.
interface header {
  kind: u32
  process: process
  parent: process
  time: u64 // ns, CLOCK_MONOTONIC
}

// Paths can have 4096 bytes, but they are cut after 512: a record always takes its full size in the ring.
interface exec_record {
  header: header
  filename: char<512>
}

interface exit_record {
  header: header
  duration: u64 // ns, since the fork
  status: u32 // as in wait(2)
}

interface open_record {
  header: header
  flags: u64
  mode: u32
  result: s32 // file descriptor or -errno
  path: char<512>
}

interface connect_record {
  header: header
  duration: u64 // ns, until it was established or failed
  address: bytes<16> // IPv6, or IPv4 as ::ffff:a.b.c.d
  port: u16
  established: boolean
  error: u32 // errno; 0 if the process gave up before it was established
}

// Room for 28,000 opened files: half a second on a busy machine, where the reader may have to wait for a CPU.
export const events = ringbuf<exec_record | exit_record | open_record | connect_record>(16 << 20)

interface open_arguments {
  path: u64
  flags: u64
  mode: u32
}

// Threads that are in a system call that opens a file.
export const opening = hash<u64, open_arguments>(8192)

// Sockets that wait for the answer to a SYN. It arrives in an interrupt while another task may be running, so the record
// with the connecting process is kept here.
export const connecting = hash<u64, connect_record>(8192)

function wanted(header: header): boolean {
  if (target_pid && header.process.pid !== target_pid && header.parent.pid !== target_pid) return false
  if (!target_comm[0]) return true
  for (const i of range(16)) {
    if (header.process.comm[i] !== target_comm[i]) return false
    if (!target_comm[i]) break
  }
  return true
}

// Describes the process of a task by its main thread, because other threads can have names of their own. False if the
// process is filtered out.
function describe(header: header, kind: u32, task: kernel.task_struct): boolean {
  header.kind = kind
  header.time = bpf.ktimeGetNs()
  header.process.pid = task.tgid
  header.parent.pid = task.real_parent.tgid
  header.process.comm = task.group_leader.comm
  header.parent.comm = task.real_parent.group_leader.comm
  return wanted(header)
}

export const process_exec = tpBtf('sched_process_exec', (task, _oldPid, bprm) => {
  const header = zero<header>()
  if (!describe(header, KIND_EXEC, task)) return 0
  const record = events.reserve<exec_record>()
  if (!record) {
    lost += 1
    return 0
  }
  record.header = header
  record.filename = bpf.probeReadKernelStr(bprm.filename)
  events.submit(record)
  return 0
})

export const process_exit = tpBtf('sched_process_exit', (task) => {
  if (task.flags & PF_KTHREAD) return 0
  // This runs for every thread. The process ends with its main thread, unless that thread leaves others behind (it
  // called pthread_exit) or another one takes its place (which called exec).
  if (task.pid !== task.tgid) return 0
  const last = task.signal.live.counter === 0
  const allEnd = task.signal.flags & SIGNAL_GROUP_EXIT
  if (!last && !allEnd) return 0

  const header = zero<header>()
  if (!describe(header, KIND_EXIT, task)) return 0
  const record = events.reserve<exit_record>()
  if (!record) {
    lost += 1
    return 0
  }
  record.header = header
  record.duration = header.time - task.start_time
  record.status = task.exit_code
  events.submit(record)
  return 0
})

function openEntered(path: u64, flags: u64, mode: u32): s32 {
  const thread = bpf.getCurrentPidTgid()
  if (thread >> 32 === own_pid) return 0
  if (!opening.set(thread, { path, flags, mode })) lost += 1
  return 0
}

function recordOpen(args: open_arguments, result: s32): void {
  const header = zero<header>()
  if (!describe(header, KIND_OPEN, bpf.getCurrentTask())) return
  const record = events.reserve<open_record>()
  if (!record) {
    lost += 1
    return
  }
  record.header = header
  record.flags = args.flags
  record.mode = args.mode
  record.result = result
  // Not read on entry, because the page may not have been in memory then. Now the kernel has read it.
  record.path = bpf.probeReadUserStr(args.path)
  events.submit(record)
}

function openLeft(result: s64): s32 {
  const thread = bpf.getCurrentPidTgid()
  const args = opening.get(thread)
  if (!args) return 0
  recordOpen(args, s32(result))
  opening.delete(thread)
  return 0
}

export const enter_open = tracepoint('syscalls/sys_enter_open', (ctx) =>
  openEntered(ctx.args[0], ctx.args[1], u32(ctx.args[2])),
)
export const exit_open = tracepoint('syscalls/sys_exit_open', (ctx) => openLeft(ctx.ret))

export const enter_openat = tracepoint('syscalls/sys_enter_openat', (ctx) =>
  openEntered(ctx.args[1], ctx.args[2], u32(ctx.args[3])),
)
export const exit_openat = tracepoint('syscalls/sys_exit_openat', (ctx) => openLeft(ctx.ret))

// openat2 passes the address of a struct open_how.
interface open_how {
  flags: u64
  mode: u64
}

export const enter_openat2 = tracepoint('syscalls/sys_enter_openat2', (ctx) => {
  const how = bpf.probeReadUser<open_how>(ctx.args[2])
  return openEntered(ctx.args[1], how.flags, u32(how.mode))
})
export const exit_openat2 = tracepoint('syscalls/sys_exit_openat2', (ctx) => openLeft(ctx.ret))

// The states of a connecting socket: CLOSE, SYN_SENT in the task that connects, then ESTABLISHED or CLOSE.
export const tcp_state = tpBtf('inet_sock_set_state', (sk, _oldState, state) => {
  const socket = u64(sk)

  if (state === TCP_SYN_SENT && sk.sk_protocol === IPPROTO_TCP) {
    const record = zero<connect_record>()
    if (!describe(record.header, KIND_CONNECT, bpf.getCurrentTask())) return 0
    if (sk.__sk_common.skc_family === AF_INET6) {
      record.address = sk.__sk_common.skc_v6_daddr.in6_u.u6_addr8
    } else {
      const address = sk.__sk_common.skc_daddr
      record.address[10] = 0xff
      record.address[11] = 0xff
      record.address[12] = u8(address >> 24)
      record.address[13] = u8(address >> 16)
      record.address[14] = u8(address >> 8)
      record.address[15] = u8(address)
    }
    record.port = sk.__sk_common.skc_dport
    if (!connecting.set(socket, record)) lost += 1
    return 0
  }

  if (state !== TCP_ESTABLISHED && state !== TCP_CLOSE) return 0
  const record = connecting.get(socket)
  if (!record) return 0
  record.duration = bpf.ktimeGetNs() - record.header.time
  record.established = state === TCP_ESTABLISHED
  if (!record.established) record.error = u32(sk.sk_err)
  if (!events.emit(record)) lost += 1
  connecting.delete(socket)
  return 0
})
