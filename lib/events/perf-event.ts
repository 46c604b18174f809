import { constants } from 'node:os'
import {
  expectPlace,
  nameOf,
  openPerfEvent,
  type PerfEventRate,
  type PerfEventTarget,
  whyNoEvent,
} from '../attach/perf-event-attr.js'
import { attempt } from '../errors/attempt.js'
import { onlineCpus } from '../machine/cpus.js'
import { OwnedDescriptor } from '../machine/owned-descriptor.js'
import { native } from '../native/binding.js'

export interface PerfEventOpenOptions extends PerfEventTarget, PerfEventRate {
  /** Whether it counts from the beginning, which is the default; otherwise from {@link PerfEvent.enable} on. */
  enabled?: boolean
}

/** What a counter has counted. */
export interface PerfEventValue {
  value: bigint
  /** For how many nanoseconds the event was enabled. */
  enabled: bigint
  /**
   * For how many of these nanoseconds it really counted. If there are more events than counters in the processor, they
   * take turns: `value * enabled / running` estimates the whole count.
   */
  running: bigint
}

/**
 * A counter, clock, tracepoint or breakpoint of the kernel: a perf event of your own. (`perf_event_open`, Linux 2.6.31;
 * CAP_PERFMON for anything but your own processes)
 *
 * Read it from JavaScript, put it into a `perf_event_array` so that programs read it with
 * `bpf_perf_event_read_value`, or attach programs to it: `program.attachPerfEvent(event)`. When it is closed, programs that
 * were attached to it stay attached as long as their links, and maps keep it until their entry is deleted.
 *
 * @example
 * // One counter for each CPU, which programs read with bpf_perf_event_read_value(&counters, BPF_F_CURRENT_CPU, ...).
 * const counters = obj.map<number, number>('counters')
 * const events = PerfEvent.openOnCpus({ event: 'instructions' })
 * for (const { cpu, fd } of events) counters.set(cpu!, fd)
 */
export class PerfEvent extends OwnedDescriptor {
  readonly #name: string
  /** The CPU that the event is limited to. */
  readonly cpu: number | undefined
  /** The process that the event is limited to. */
  readonly pid: number | undefined

  private constructor(fd: number, { event, cpu, pid }: PerfEventTarget) {
    super(fd, `perf event '${nameOf(event)}'`)
    this.#name = nameOf(event)
    this.cpu = cpu
    this.pid = pid
  }

  /** Opens an event of a process, of a CPU, or of both. With a `period` or `frequency`, programs can be attached to it. */
  static open(options: PerfEventOpenOptions): PerfEvent {
    const { period, frequency, enabled = true } = options
    if (period !== undefined && frequency !== undefined)
      throw new TypeError('give either period or frequency, not both')
    expectPlace(options)
    const subject = {
      what: `open perf event '${nameOf(options.event)}'`,
      target: nameOf(options.event),
      reason: (error: Parameters<typeof whyNoEvent>[0]) => whyNoEvent(error, options.event),
    }
    const fd = attempt(subject, () =>
      openPerfEvent(options, { period, frequency } as PerfEventRate, !enabled),
    )
    return new PerfEvent(fd, options)
  }

  /** Opens one event for each CPU. If one fails, those before it are closed again. */
  static openOnCpus(
    options: Omit<PerfEventOpenOptions, 'cpu'>,
    cpus: Iterable<number> = onlineCpus(),
  ): PerfEvent[] {
    const events: PerfEvent[] = []
    try {
      for (const cpu of cpus) events.push(PerfEvent.open({ ...options, cpu }))
    } catch (error) {
      for (const event of events) event.close()
      throw error
    }
    return events
  }

  /** What was counted until now. @throws BpfError ENODATA if the counter is pinned and had to leave the processor */
  read(): PerfEventValue {
    const [value = 0n, enabled = 0n, running = 0n] = this.#do('read', (fd) => native.perfEventRead(fd))
    return { value, enabled, running }
  }

  /** Counts from now on. */
  enable(): void {
    this.#do('enable', (fd) => native.perfEventControl(fd, 0))
  }

  /** Stops counting; the value stays. */
  disable(): void {
    this.#do('disable', (fd) => native.perfEventControl(fd, 1))
  }

  /** Sets the value to 0. The times are not reset. */
  reset(): void {
    this.#do('reset', (fd) => native.perfEventControl(fd, 2))
  }

  #do<T>(what: string, call: (fd: number) => T): T {
    const { fd } = this
    const subject = {
      what: `${what} perf event '${this.#name}'`,
      target: this.#name,
      reason: ({ errno }: { errno: number }) =>
        errno === constants.errno.ENODATA
          ? 'it is pinned, and the processor had no counter for it'
          : undefined,
    }
    return attempt(subject, () => call(fd))
  }
}
