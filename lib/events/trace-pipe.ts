import { closeSync, constants, openSync, read } from 'node:fs'
import { constants as os } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { BpfError } from '../errors/errors.js'
import { lockdown } from '../machine/lockdown.js'
import { whyNoTracefs } from '../machine/tracefs.js'

const pipes = ['/sys/kernel/tracing/trace_pipe', '/sys/kernel/debug/tracing/trace_pipe']

/** How often the pipe is looked at while nothing comes. */
const idleMs = 20

const refusals: Record<string, string> = {
  EACCES: 'only root may read it',
  EPERM: 'only root may read it',
  EBUSY: 'it has a reader already, and there is one at a time',
}

/**
 * The lines that programs write with `bpf_printk`, of all programs on the machine, as they come. A line goes to one reader only.
 *
 * The first load of a program that prints, since the machine was started, switches printing on: on Linux 6.18 and updated older kernels some
 * milliseconds after `load` has returned. What programs print until then is lost.
 *
 * @param options - `signal` ends the iteration
 * @throws BpfError ENOENT when tracefs is not mounted, EACCES or EPERM when it may not be read, EBUSY when it is read by somebody else
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
        await delay(idleMs, undefined, signal === undefined ? {} : { signal }).catch(() => {})
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

function openPipe(): number {
  let code = 'ENOENT'
  for (const pipe of pipes) {
    try {
      // A blocking read would hold one of libuv's four threads for as long as nobody prints.
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

/** What is there now; '' for nothing. */
function readSome(fd: number, chunk: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    read(fd, chunk, 0, chunk.length, null, (error, length) => {
      if (error === null) resolve(chunk.toString('utf8', 0, length))
      else if (error.code === 'EAGAIN') resolve('')
      else reject(error)
    })
  })
}
