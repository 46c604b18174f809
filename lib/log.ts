/**
 * Passes what BPF programs log to a logger of Node.js, such as pino or `console`.
 *
 * @packageDocumentation
 */
export type { LogLevel } from './log/levels.js'
export type { LogLine } from './log/lines.js'
export {
  type LogOptions,
  LogReader,
  type LogTarget,
  logTo,
  type ObjectLogger,
  type TextLogger,
} from './log/log-to.js'
