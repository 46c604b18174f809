import { readFileSync } from 'node:fs'

/**
 * The date of a time stamp of a program.
 *
 * It is computed from the clocks at this moment. If the system time was set in between, the date is what the clock
 * would have shown with its present setting.
 *
 * @param nanoseconds - what `bpf_ktime_get_ns()` returned; this clock stops while the machine sleeps
 * @param clock - 'boottime' for `bpf_ktime_get_boot_ns()`, which does not stop; exact to 10 ms if the machine has slept
 *
 * @example ktimeToDate(event.ts).toISOString()
 */
export function ktimeToDate(nanoseconds: bigint, clock: 'monotonic' | 'boottime' = 'monotonic'): Date {
  if (clock !== 'monotonic' && clock !== 'boottime')
    throw new TypeError(`clock '${clock}' does not exist; the clocks are monotonic, boottime`)
  const now = process.hrtime.bigint()
  const asleep = clock === 'boottime' ? timeAsleep(now) : 0n
  return new Date(Date.now() - Number((now + asleep - nanoseconds) / 1000n) / 1000)
}

/** /proc/uptime counts hundredths of a second, so shorter times are noise. */
function timeAsleep(monotonic: bigint): bigint {
  const [, seconds = '0', hundredths = '0'] =
    /^(\d+)\.(\d{2})/.exec(readFileSync('/proc/uptime', 'latin1')) ?? []
  const asleep = BigInt(seconds) * 1_000_000_000n + BigInt(hundredths) * 10_000_000n - monotonic
  return asleep > 20_000_000n ? asleep : 0n
}
