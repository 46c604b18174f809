/** An event with where it comes from. */
export interface AgentEvent {
  /** What the configuration calls it. */
  readonly name: string
  readonly program: string
  /** When it was read, in milliseconds since 1970. */
  readonly time: number
  readonly body: Record<string, unknown>
}

/** A place that events go to. */
export interface Output {
  /** Takes an event. Returns false if there is no room, which counts as dropped. */
  write(event: AgentEvent): boolean
  /** Events that it accepted but could not pass on. */
  readonly failed?: number
  /** Writes what it has collected. */
  flush?(): void
  /** Waits until everything is written or sent. */
  close(): Promise<void>
}

/** bigints that fit into a number become one, and the others text; bytes become hexadecimal digits. */
export function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER
      ? Number(value)
      : String(value)
  }
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}

export function lineOf({ name, program, time, body }: AgentEvent): string {
  return `${JSON.stringify({ time: new Date(time).toISOString(), event: name, program, ...body }, plain)}\n`
}
