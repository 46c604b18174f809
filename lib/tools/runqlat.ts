import { session } from '../trace/several.js'
import { histogram, table } from '../trace/tables.js'
import type { AnswerTool } from './tool.js'

/**
 * What was interrupted waits again, and what runs next has waited. The idle thread of each CPU, whose number is 0,
 * waits for nothing. `only` is a process, or 0.
 */
const switched = (record: string): string => `(r, { since, waits }) => {
  const { prev, next } = r.args
  if (prev.__state === 0 && prev.pid !== 0) since.set(u32(prev.pid), r.nsecs)
  if (only !== 0 && next.tgid !== only) return
  const begin = since.get(u32(next.pid))
  if (!begin) return
  waits.record(r.nsecs - begin.value${record})
  since.delete(u32(next.pid))
}`

export const tool: AnswerTool = {
  hasEach: true,
  summary: 'How long threads wait for a CPU',
  help: 'A histogram of the time from when a thread could run until it runs; with --each, one for each name. (Linux 5.14)',
  async open({ each, pid = 0 }) {
    const { tables } = await session(
      { since: table({ maxKeys: 65_536 }), waits: histogram<string>({ unit: 'us' }) },
      [
        [
          'rt:sched_wakeup,rt:sched_wakeup_new',
          '(r, { since }) => void since.set(u32(r.args.p.pid), r.nsecs)',
        ],
        ['rt:sched_switch', switched(each ? ', next.comm' : '')],
      ],
      { constants: { only: pid } },
    )
    return tables.waits
  },
}
