import { native } from './binding.js'

/** libbpf's print levels. */
export type LogLevel = 'warn' | 'info' | 'debug'

/** Gets libbpf's messages, one at a time, without the line end. */
export type Logger = (level: LogLevel, message: string) => void

const levels: readonly LogLevel[] = ['warn', 'info', 'debug']

let logger: Logger | undefined
const waiting: [LogLevel, string][] = []

// Native code reports a call's messages while it is still inside of it. They wait here until it is over: a logger may do
// anything, even close the object that it hears about.
native.initialize((level, message) => {
  waiting.push([levels[level] ?? 'debug', message.trimEnd()])
})

/** Hands the messages of the calls that are over to the logger. */
export function flushLog(): void {
  while (waiting.length > 0) {
    const [level, message] = waiting.shift()!
    try {
      logger?.(level, message)
    } catch (error) {
      // As if the event loop had called it. The call that it hears about has its own result, a link for example.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

/**
 * Sends what libbpf has to say about each call to a function. Without a logger nothing is printed: warnings are in the error of the
 * call that failed.
 *
 * The messages of a call come when it is over, in order. They belong to this thread: a Worker sets its own logger.
 *
 * @param to - the function, or `undefined` for none
 * @param level - the most talkative level it gets; `debug` makes loading slower
 */
export function setLogger(to: Logger | undefined, level: LogLevel = 'info'): void {
  const number = levels.indexOf(level)
  if (number < 0) throw new TypeError(`log level '${level}' does not exist; there are ${levels.join(', ')}`)
  if (to !== undefined && typeof to !== 'function') throw new TypeError('logger is not a function')
  logger = to
  native.setLogLevel(to === undefined ? -1 : (number as 0 | 1 | 2))
}
