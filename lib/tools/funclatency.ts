import { TraceError } from '../trace/error.js'
import { latency } from '../trace/histogram.js'
import { type AnswerTool, onlyPid } from './tool.js'

export const tool: AnswerTool = {
  hasEach: true,
  summary: 'How long a function takes',
  usage: 'FUNCTION | FILE:FUNCTION',
  help: `A histogram of the time from the call of a function until it returns. With FILE, it is one of a program or library;
without it, one of the kernel. With --each, there is one for each name of a process.

  libbpf-node tool funclatency vfs_read
  libbpf-node tool funclatency libc.so.6:malloc --pid 1234`,
  open({ args: [name, ...more], each, ...options }) {
    if (name === undefined || more.length > 0) throw new TraceError('name one function')
    const inFile = name.includes(':')
    return latency(`${inFile ? 'u' : 'k'}probe:${name}`, `${inFile ? 'u' : 'k'}retprobe:${name}`, {
      ...(each && { by: 'comm' }),
      ...onlyPid(options),
    })
  },
}
