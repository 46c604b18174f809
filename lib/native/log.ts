import { native } from './binding.js'

/** The levels of libbpf's messages. */
export type LogLevel = 'warn' | 'info' | 'debug'

/** Receives the messages of libbpf one by one, without the line break. */
export type Logger = (level: LogLevel, message: string) => void

const levels: readonly LogLevel[] = ['warn', 'info', 'debug']

let logger: Logger | undefined
const waiting: [LogLevel, string][] = []

// Native code reports messages during a call. They are kept here until the call is over, because a logger can do
// anything, even close the object that the call works on.
native.initialize((level, message) => {
  waiting.push([levels[level] ?? 'debug', message.trimEnd()])
})

/** Passes the messages of finished calls to the logger. */
export function flushLog(): void {
  while (waiting.length > 0) {
    const [level, message] = waiting.shift()!
    try {
      logger?.(level, message)
    } catch (error) {
      // The error becomes uncaught, as if the event loop had called the logger. The libbpf call keeps its own result.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

/**
 * Sets a function that receives libbpf's messages. Without a logger nothing is printed; the warnings of a failed call
 * are in its error.
 *
 * The messages of a call arrive in order when the call is over. A logger only receives the messages of its own thread,
 * so every Worker sets its own.
 *
 * @param to - the function, or `undefined` for none
 * @param level - the most verbose level to receive; `debug` makes loading slower
 */
export function setLogger(to: Logger | undefined, level: LogLevel = 'info'): void {
  const number = levels.indexOf(level)
  if (number < 0)
    throw new TypeError(`log level '${level}' does not exist; the levels are ${levels.join(', ')}`)
  if (to !== undefined && typeof to !== 'function') throw new TypeError('logger is not a function')
  logger = to
  native.setLogLevel(to === undefined ? -1 : (number as 0 | 1 | 2))
}
