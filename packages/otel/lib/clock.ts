let offset: bigint | undefined

/**
 * The time of day of a moment that a program got from `bpf_ktime_get_ns`, as nanoseconds since 1970. That clock counts
 * from boot and stands still while the machine sleeps, so moments before a sleep come out too late.
 */
export function timeOfDay(monotonic: bigint): bigint {
  offset ??= BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint()
  return monotonic + offset
}

/** Measures the clocks again, for example after somebody has set the time. */
export function measureClocks(): void {
  offset = undefined
}

/** The same as OpenTelemetry writes it: seconds and nanoseconds. */
export function toHrTime(monotonic: bigint): [number, number] {
  const ns = timeOfDay(monotonic)
  return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)]
}
