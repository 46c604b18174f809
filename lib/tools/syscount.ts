import { systemCallName } from '../format/system-calls.js'
import { count, type DrawingStyle, drawRows, type Row } from '../trace/aggregate.js'
import { type AnswerTool, onlyPid } from './tool.js'

export const tool: AnswerTool = {
  hasEach: true,
  summary: 'How often each system call is made',
  help: 'Counts system calls by their names; with --each, by the names of processes.',
  async open(options) {
    const probe = 'tracepoint:raw_syscalls:sys_enter'
    if (options.each) return count(probe, { by: (r) => r.comm, ...onlyPid(options) })
    const calls = await count(probe, { by: (r): number => r.args.id!, ...onlyPid(options) })
    const rows = (): Row<string>[] =>
      calls.rows().map(({ key, value }) => ({ key: systemCallName(key), value }))
    return Object.assign(calls, {
      toJSON: rows,
      toString: (most?: number, style?: DrawingStyle): string => drawRows(rows().slice(0, most), style),
    }) as never
  },
}
