import { closeSync, constants, openSync, read } from 'node:fs'
import { constants as os } from 'node:os'
import { BpfError } from '../errors/errors.js'
import { lockdown } from '../machine/lockdown.js'
import { whyNoTracefs } from '../machine/tracefs.js'

const pipes = ['/sys/kernel/tracing/trace_pipe', '/sys/kernel/debug/tracing/trace_pipe']

/** How often to look at the pipe while it is empty. */
const idleMs = 20

const refusals: Record<string, string> = {
  EACCES: 'only root may read it',
  EPERM: 'only root may read it',
  EBUSY: 'it is being read already, and can have only one reader',
}

/**
 * Reads the lines that programs print with `bpf_printk`, as they come, from all programs on the machine. The pipe has
 * one reader at a time, and each line is read once.
 *
 * The kernel turns printing on when a program that prints is loaded for the first time since boot. On Linux 6.18 and
 * updated older kernels, that happens some milliseconds after `load` has returned, and what programs print until then
 * is lost.
 *
 * @param options - `signal` ends the iteration
 * @throws BpfError ENOENT if tracefs is not mounted, EACCES or EPERM if you may not read it, EBUSY if another process
 *   reads it
 */
export async function* tracePipe({
  signal,
}: {
  signal?: AbortSignal
} = {}): AsyncGenerator<string, undefined> {
  const isOver = (): boolean => signal?.aborted === true
  const fd = openPipe()
  const chunk = Buffer.alloc(1 << 16)
  try {
    let rest = ''
    while (!isOver()) {
      const text = await readSome(fd, chunk)
      if (text === '') {
        await pauseBriefly(signal)
        continue
      }
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        yield line
        if (isOver()) break
      }
    }
    return undefined
  } finally {
    closeSync(fd)
  }
}

function pauseBriefly(signal: AbortSignal | undefined): Promise<void> {
  const { setTimeout } = process.getBuiltinModule('node:timers/promises')
  return setTimeout(idleMs, undefined, signal === undefined ? {} : { signal }).catch(() => {})
}

function openPipe(): number {
  let code = 'ENOENT'
  for (const pipe of pipes) {
    try {
      // A blocking read would occupy one of libuv's four threads until something is printed.
      return openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    } catch (error) {
      if (code === 'ENOENT') code = (error as NodeJS.ErrnoException).code ?? code
    }
  }
  const errno = os.errno[code as keyof typeof os.errno]
  const refusal =
    code === 'EPERM' && lockdown() === 'confidentiality' ? 'the kernel is locked down' : refusals[code]
  const message = `read the trace pipe: ${refusal ?? whyNoTracefs() ?? 'it cannot be opened'} (${code})`
  throw new BpfError(message, { code, errno, target: pipes[0] })
}

/** Reads what is available now; '' if there is nothing. */
function readSome(fd: number, chunk: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    read(fd, chunk, 0, chunk.length, null, (error, length) => {
      if (error === null) resolve(chunk.toString('utf8', 0, length))
      else if (error.code === 'EAGAIN') resolve('')
      else reject(error)
    })
  })
}
