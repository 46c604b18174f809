import { jsonReplacer } from '../btf/json.js'
import type { EventReaderOptions } from '../events/reader.js'
import type { RingBuffer } from '../events/ring-buffer.js'
import type { BpfObject } from '../objects/object.js'
import { isLevel, type LogLevel, levels } from './levels.js'
import { LineReader, type LogLine } from './lines.js'

type Method = (...words: never[]) => unknown

/** A logger like those of pino and bunyan: values first, and then the text. */
export interface ObjectLogger extends Record<LogLevel, (values: object, text: string) => unknown> {
  child: Method
  /** The name of the lowest level that it writes. */
  level?: unknown
}

/** A logger like `console` and those of winston: the text first. */
export interface TextLogger
  extends Record<'debug' | 'info' | 'warn' | 'error', (text: string, ...more: unknown[]) => unknown> {
  level?: unknown
}

/** Where {@link logTo} passes the lines: a logger, or a function that gets each {@link LogLine}. */
export type LogTarget = ObjectLogger | TextLogger | ((line: LogLine) => void)

export interface LogOptions extends EventReaderOptions {
  /**
   * The lowest level that the programs record. The default is the `level` of the logger, if that is one of these names.
   */
  level?: LogLevel
}

/** How many milliseconds pass between a line and the next look at how many were lost. */
const lossInterval = 1000

/**
 * Passes what programs log with `libbpf_node_log(...)` of `libbpf-node.bpf.h` to a logger. The text is formatted in
 * this process, not in the kernel. (Linux 5.8)
 *
 * - pino and bunyan (loggers that have `fatal` and `child`) get `logger.info({ ...values, bpf }, text)`, where `bpf` has the
 *   object, file, line, function, CPU and time. 64-bit numbers above 2^53 are strings, and bytes are hexadecimal.
 * - Other loggers and `console` get `logger.info('file:line function: text', values)`, with only those values that the
 *   text does not contain. `trace` becomes `debug`, and `fatal` becomes `error`.
 * - A function gets each line as a {@link LogLine}.
 *
 * The process stays alive until {@link LogReader.close} or {@link LogReader.unref}.
 *
 * @param object - after load
 * @throws BpfError ERR_BPF_NOT_FOUND if the object does not log, EBUSY if its log has a reader already
 *
 * @example
 * const log = logTo(obj, pino())
 */
export function logTo(object: BpfObject, logger: LogTarget, options: LogOptions = {}): LogReader {
  return new LogReader(object, logger, options)
}

/** Reads the log of an object. Made by {@link logTo}. */
export class LogReader implements Disposable {
  readonly #object: BpfObject
  readonly #ring: RingBuffer
  readonly #write: (line: LogLine) => void
  #reported = 0n
  #timer: NodeJS.Timeout | undefined

  /** Use {@link logTo}. @internal */
  constructor(object: BpfObject, logger: LogTarget, { level, ...options }: LogOptions) {
    this.#write = typeof logger === 'function' ? logger : writerTo(logger)
    const wanted = level ?? (typeof logger === 'function' ? undefined : logger.level)
    if (level !== undefined && !isLevel(level))
      throw new TypeError(`level '${level}' does not exist; the levels are ${Object.keys(levels).join(', ')}`)
    const lines = new LineReader(object)
    this.#object = object
    this.#ring = object.ringBuffer('node_logs', undefined, options)
    if (isLevel(wanted)) this.level = wanted
    this.#ring.drain((view, offset, length) => {
      this.#timer ??= setTimeout(() => this.#reportLoss(), lossInterval).unref()
      this.#write(lines.read(view, offset, length))
    })
  }

  /** The lowest level that the programs record. A change takes effect at once. */
  get level(): LogLevel {
    const number = this.#threshold.libbpf_node_log_level
    return (Object.keys(levels) as LogLevel[]).find((name) => levels[name] >= number) ?? 'fatal'
  }
  set level(level: LogLevel) {
    this.#threshold.libbpf_node_log_level = levels[level]
  }

  get #threshold(): { libbpf_node_log_level: number } {
    return this.#object.data as { libbpf_node_log_level: number }
  }

  /**
   * How many lines did not fit into the ring. While lines arrive, the logger also gets a warning about lost ones, at
   * most once a second, and when the log is closed. After the log or the object is closed, the number stays as it was.
   */
  get lost(): bigint {
    return this.closed || this.#object.closed ? this.#reported : (this.#ring.lost ?? 0n)
  }

  get closed(): boolean {
    return this.#ring.closed
  }

  /** Passes on the lines that wait now, without waiting for the event loop. @returns how many there were */
  flush(): number {
    return this.#ring.consume()
  }

  /** Lets the process end even while the log is read. */
  unref(): this {
    this.#ring.unref()
    return this
  }

  /** Undoes {@link unref}. */
  ref(): this {
    this.#ring.ref()
    return this
  }

  /** Passes on the lines that wait, and ends reading. Closing twice is fine. */
  close(): void {
    if (this.#ring.closed) return
    try {
      this.flush()
      this.#reportLoss()
    } finally {
      clearTimeout(this.#timer)
      this.#ring.close()
    }
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #reportLoss(): void {
    this.#timer = undefined
    const { lost } = this
    if (lost === this.#reported) return
    const count = lost - this.#reported
    this.#reported = lost
    this.#write({
      level: 'warn',
      message: `${count === 1n ? '1 log line was' : `${count} log lines were`} lost because the ring was full`,
      values: { lost: count },
      unmentioned: [],
      object: this.#object.name,
      file: '',
      line: 0,
      function: '',
      time: new Date(),
      cpu: 0,
    })
  }
}

function writerTo(logger: ObjectLogger | TextLogger): (line: LogLine) => void {
  if (typeof logger !== 'object' || logger === null || typeof logger.info !== 'function')
    throw new TypeError('logger is neither a logger, such as that of pino or console, nor a function')
  return isObjectLogger(logger) ? (line) => writeObject(logger, line) : (line) => writeText(logger, line)
}

function isObjectLogger(logger: ObjectLogger | TextLogger): logger is ObjectLogger {
  return 'child' in logger && 'fatal' in logger && typeof logger.fatal === 'function'
}

function writeObject(
  logger: ObjectLogger,
  { level, message, values, unmentioned: _, ...bpf }: LogLine,
): void {
  logger[level]({ ...plain(values), bpf }, message)
}

function writeText(logger: TextLogger, line: LogLine): void {
  const { level, message, values, unmentioned } = line
  const method = level === 'trace' ? 'debug' : level === 'fatal' ? 'error' : level
  const place = line.file === '' ? line.object : `${line.file}:${line.line} ${line.function}`
  const rest = plain(Object.fromEntries(unmentioned.map((name) => [name, values[name]])))
  const text = `${place}: ${message}`
  if (Object.keys(rest).length === 0) logger[method](text)
  // If there is more than text, console takes percent signs for placeholders.
  else logger[method]('table' in logger ? text.replaceAll('%', '%%') : text, rest)
}

/** Values that every logger can write. */
function plain(values: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(values, jsonReplacer)) as Record<string, unknown>
}
