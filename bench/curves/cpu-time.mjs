const used = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** The CPU time of a piece of work in ns, divided by `units`: the least of several rounds. */
export function leastCpu(rounds, units, work, prepare = () => {}) {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < rounds; i++) {
    prepare()
    const start = used()
    work()
    least = Math.min(least, (used() - start) / units)
  }
  return least
}

/** The same for something that is not done at once: returns a function that returns the CPU time until now. */
export function cpuSince() {
  const start = used()
  return () => used() - start
}
