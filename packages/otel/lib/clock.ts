/** How long the clocks are trusted, in nanoseconds: somebody may set the time. */
const validity = 60_000_000_000n

let offset = 0n
let measured = -validity

/**
 * Converts a time that a program got from `bpf_ktime_get_ns` into the time of day as OpenTelemetry writes it: seconds
 * and nanoseconds.
 */
export function toHrTime(monotonic: bigint): [number, number] {
  const now = process.hrtime.bigint()
  if (now - measured > validity) {
    offset = BigInt(Date.now()) * 1_000_000n - now
    measured = now
  }
  const ns = monotonic + offset
  return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)]
}
