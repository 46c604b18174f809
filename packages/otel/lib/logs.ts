import type { Logger } from '@opentelemetry/api-logs'
import type { EventReader } from 'libbpf-node'
import { type EventAttributes, toAttributes } from './attributes.js'
import { toHrTime } from './clock.js'

/** Options for {@link logEvents}. */
export interface LogOptions<T> {
  /** The name of the events, such as `process.exec`. */
  readonly name: string
  /** The attributes of an event. By default they are all its members. */
  readonly attributes?: (event: T) => EventAttributes
  /** When it happened, as returned by `bpf_ktime_get_ns`. The default is the time when it is read. */
  readonly time?: (event: T) => bigint
  /** A number of OpenTelemetry's `SeverityNumber`; 9 (`INFO`) by default. */
  readonly severity?: number
}

/**
 * Emits each event of a reader as a log record. It uses the reader's `on`, so call the reader's `stop` or `close` to end it.
 *
 * @param logger - `logs.getLogger('...')` of `@opentelemetry/api-logs`, or of an SDK's provider
 *
 * @example
 * logEvents(obj.ringBuffer('events', 'event'), logs.getLogger('my-agent'), { name: 'process.exec' })
 */
export function logEvents<T extends object>(
  reader: EventReader<T>,
  logger: Logger,
  { name, attributes = toAttributes, time, severity = 9 }: LogOptions<T>,
): void {
  reader.on((event) => {
    logger.emit({
      eventName: name,
      severityNumber: severity,
      attributes: attributes(event),
      ...(time !== undefined && { timestamp: toHrTime(time(event)) }),
    })
  })
}
