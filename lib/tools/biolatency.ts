import { latency } from '../trace/histogram.js'
import type { AnswerTool } from './tool.js'

export const tool: AnswerTool = {
  summary: 'How long disks take',
  help: 'A histogram of the time from when a request goes to a disk until it is done.',
  isOfProcess: false,
  open: () => latency('rt:block_rq_issue', 'rt:block_rq_complete', { key: 'u64(args.rq)' }),
}
