/**
 * Asks the kernel questions in one line, like bpftrace's one-liners.
 *
 * @packageDocumentation
 */
export {
  Aggregate,
  avg,
  count,
  type GroupOptions,
  max,
  min,
  type Row,
  sum,
  type ValueOptions,
} from './trace/aggregate.js'
export { TraceError } from './trace/error.js'
export { Trace, type TraceOptions, trace } from './trace/events.js'
export type { EveryOptions } from './trace/every.js'
export {
  Histogram,
  type HistogramGroup,
  hist,
  type LatencyOptions,
  type LinearOptions,
  latency,
  lhist,
} from './trace/histogram.js'
export type { Constant, Constants } from './trace/kernel-text.js'
export { type ProbeNames, Session, type SessionOptions } from './trace/session.js'
export {
  type Answers,
  type InTheKernel,
  type SessionProbe,
  type SeveralOptions,
  type SharedSession,
  type SharedTables,
  session,
} from './trace/several.js'
export { type StackOptions, type StackRow, Stacks, stacks } from './trace/stacks.js'
export {
  type CounterWords,
  counter,
  type HistogramTableOptions,
  type HistogramWords,
  histogram,
  type SharedTable,
  Table,
  type TableOptions,
  table,
} from './trace/tables.js'
export { cast, kstr, ksym, type ProbeRecord, reg, str, usym } from './trace/words.js'
