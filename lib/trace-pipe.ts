import { closeSync, constants, existsSync, openSync, read } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { BpfError } from './errors.js'

const pipes = ['/sys/kernel/tracing/trace_pipe', '/sys/kernel/debug/tracing/trace_pipe']

/** How often the pipe is looked at while nothing comes. */
const idleMs = 20

/**
 * The lines that programs write with `bpf_printk`, of all programs on the machine, as they come. A line goes to one reader only.
 *
 * @param options - `signal` ends the iteration
 * @throws BpfError ENOENT when tracefs is not mounted
 */
export async function* tracePipe({
  signal,
}: {
  signal?: AbortSignal
} = {}): AsyncGenerator<string, undefined> {
  const path = pipes.find((pipe) => existsSync(pipe))
  if (path === undefined) {
    throw new BpfError(
      "read the trace pipe: tracefs is not mounted; 'mount -t tracefs tracefs /sys/kernel/tracing' does it (ENOENT)",
      { code: 'ENOENT', errno: 2, target: pipes[0] },
    )
  }
  // A blocking read would hold one of libuv's four threads for as long as nobody prints.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    let rest = ''
    while (signal?.aborted !== true) {
      const text = await readSome(fd)
      if (text === '') {
        await delay(idleMs, undefined, signal === undefined ? {} : { signal }).catch(() => {})
        continue
      }
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      yield* lines
    }
    return undefined
  } finally {
    closeSync(fd)
  }
}

/** What is there now; '' for nothing. */
function readSome(fd: number): Promise<string> {
  const chunk = Buffer.alloc(1 << 16)
  return new Promise((resolve, reject) => {
    read(fd, chunk, 0, chunk.length, null, (error, length) => {
      if (error === null) resolve(chunk.toString('utf8', 0, length))
      else if (error.code === 'EAGAIN') resolve('')
      else reject(error)
    })
  })
}
