/** The levels of a log, from the least important one. They have the numbers of pino, as in `libbpf-node-log.bpf.h`. */
export const levels = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const
export type LogLevel = keyof typeof levels

export function isLevel(name: unknown): name is LogLevel {
  return typeof name === 'string' && Object.hasOwn(levels, name)
}

export function levelOf(number: number): LogLevel {
  const names = Object.keys(levels) as LogLevel[]
  return names.findLast((name) => levels[name] <= number) ?? 'trace'
}
