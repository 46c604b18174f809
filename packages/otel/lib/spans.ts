import type { SpanKind, Tracer } from '@opentelemetry/api'
import type { EventReader } from 'libbpf-node'
import { type EventAttributes, toAttributes } from './attributes.js'
import { toHrTime } from './clock.js'

/** Options for {@link traceEvents}. */
export interface SpanOptions<T> {
  /** The name of the span. */
  readonly name: string | ((event: T) => string)
  /** When it began and ended, as returned by `bpf_ktime_get_ns`. */
  readonly begin: (event: T) => bigint
  readonly end: (event: T) => bigint
  /** The attributes of the span. By default they are all members of the event. */
  readonly attributes?: (event: T) => EventAttributes
  /** What went wrong, if something did: the span then has the status `ERROR`. */
  readonly error?: (event: T) => string | undefined
  /** A number of OpenTelemetry's `SpanKind`. */
  readonly kind?: SpanKind
}

/** `SpanStatusCode.ERROR`. */
const failed = 2

/**
 * Makes a span of each event of a reader: of connections, slow requests, and other things with a beginning and an end.
 * It uses the reader's `on`, so call the reader's `stop` or `close` to end it.
 *
 * @example
 * traceEvents(obj.ringBuffer('connections', 'connection'), trace.getTracer('my-agent'), {
 *   name: 'tcp.connection',
 *   begin: ({ begin }) => begin,
 *   end: ({ end }) => end,
 * })
 */
export function traceEvents<T extends object>(
  reader: EventReader<T>,
  tracer: Tracer,
  { name, begin, end, attributes = toAttributes, error, kind }: SpanOptions<T>,
): void {
  reader.on((event) => {
    const span = tracer.startSpan(typeof name === 'string' ? name : name(event), {
      startTime: toHrTime(begin(event)),
      attributes: attributes(event),
      ...(kind !== undefined && { kind }),
    })
    const reason = error?.(event)
    if (reason !== undefined) span.setStatus({ code: failed, message: reason })
    span.end(toHrTime(end(event)))
  })
}
