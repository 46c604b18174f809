// Sends profiles to a server that keeps them: Pyroscope (also Grafana Cloud and Alloy) or Parca. Both accept pprof within
// JSON over HTTP. Pyroscope: POST /push.v1.PusherService/Push of its Connect API. Parca: POST /api/profiles/writeraw.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Profile } from './profile.js'

/** Where profiles are sent, for {@link pushProfile} and {@link pushProfiles}. */
export interface PushTarget {
  /** Where the server listens, such as `http://localhost:4040`. */
  url: string | URL
  /** The server's kind; `pyroscope` by default. */
  server?: 'pyroscope' | 'parca'
  /** The service that the profiles belong to: the label `service_name` in Pyroscope, and `job` in Parca. */
  service: string
  /** Additional labels, such as the host. */
  labels?: Readonly<Record<string, string>>
  /** HTTP headers for authentication and tenants: `Authorization`, `X-Scope-OrgID`. */
  headers?: Readonly<Record<string, string>>
  /** How many attempts to make if the server cannot be reached, is too busy, or fails; 5 by default. */
  attempts?: number
  /** How long one attempt may take, in milliseconds; 10,000 by default. */
  timeoutMs?: number
}

/** Thrown if a server did not take a profile. */
export class PushError extends Error {
  override readonly name = 'PushError'
  /** The HTTP status of the server's answer; `undefined` if there was none. */
  readonly status: number | undefined

  constructor(message: string, status: number | undefined, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

const [firstPauseMs, longestPauseMs] = [500, 30_000]

/** @throws TypeError that says what is wrong with the target */
export function checkTarget({ url, server = 'pyroscope', service, labels = {}, ...rest }: PushTarget): void {
  const { attempts = 5, timeoutMs = 10_000 } = rest
  const parsed = URL.canParse(String(url)) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    throw new TypeError(`url is '${url}', and not an address such as http://localhost:4040`)
  if (server !== 'pyroscope' && server !== 'parca')
    throw new TypeError(`server is '${server}'; it must be pyroscope or parca`)
  if (typeof service !== 'string' || service === '') throw new TypeError('service is missing')
  for (const [name, value] of Object.entries(labels)) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) || name.startsWith('__'))
      throw new TypeError(`'${name}' cannot be the name of a label: letters, digits and _ are allowed`)
    if (typeof value !== 'string') throw new TypeError(`the label ${name} is not a string`)
  }
  if (!(Number.isInteger(attempts) && attempts >= 1 && attempts <= 100))
    throw new RangeError(`attempts is ${attempts}, and not a whole number from 1 to 100`)
  if (!(timeoutMs > 0 && timeoutMs <= 600_000))
    throw new RangeError(`timeoutMs is ${timeoutMs}, and not from 0 to 600000`)
}

/**
 * Sends one profile to Pyroscope or Parca, and tries again a limited number of times.
 *
 * @example
 * await pushProfile(await profile({ seconds: 10 }), { url: 'http://localhost:4040', service: 'shop' })
 * @param signal - aborts sending at once
 * @throws PushError if the server did not take it; TypeError or RangeError for a wrong target
 */
export async function pushProfile(profile: Profile, target: PushTarget, signal?: AbortSignal): Promise<void> {
  checkTarget(target)
  const { attempts = 5 } = target
  const [address, body] = requestOf(profile, target)
  for (let attempt = 1; ; attempt++) {
    const failure = await send(address, body, target, signal)
    if (failure === undefined) return
    if (!failure.mayPass || attempt >= attempts || signal?.aborted) throw failure.error
    const pause = Math.min(failure.retryAfterMs ?? firstPauseMs * 2 ** (attempt - 1), longestPauseMs)
    // Agents that were turned away at the same time should not all come back at the same time.
    await sleep(pause * (0.5 + Math.random() / 2), undefined, signal && { signal }).catch(() => {
      throw failure.error
    })
  }
}

function requestOf(profile: Profile, target: PushTarget): [address: string, body: string] {
  const { server = 'pyroscope', service, labels = {} } = target
  const base = String(target.url).replace(/\/$/, '')
  const rawProfile = Buffer.from(profile.pprof()).toString('base64')
  const name = profile.info.kind === 'cpu' ? 'process_cpu' : 'off_cpu'
  const own = server === 'pyroscope' ? { service_name: service } : { job: service }
  const pairs = Object.entries({ ...labels, ...own, __name__: name }).map(([key, value]) => ({
    name: key,
    value,
  }))
  if (server === 'parca') {
    const series = [{ labels: { labels: pairs }, samples: [{ rawProfile }] }]
    // The functions are known, so nobody has to look up the addresses, which come from many processes.
    return [`${base}/api/profiles/writeraw`, JSON.stringify({ series, normalized: true })]
  }
  const series = [{ labels: pairs, samples: [{ ID: randomUUID(), rawProfile }] }]
  return [`${base}/push.v1.PusherService/Push`, JSON.stringify({ series })]
}

interface Failure {
  readonly error: PushError
  /** Whether it may work later. */
  readonly mayPass: boolean
  readonly retryAfterMs?: number | undefined
}

async function send(
  address: string,
  body: string,
  { headers = {}, timeoutMs = 10_000 }: PushTarget,
  signal: AbortSignal | undefined,
): Promise<Failure | undefined> {
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  const timer = setTimeout(abort, timeoutMs)
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  let response: Response
  let text: string
  try {
    response = await fetch(address, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
      signal: stop.signal,
      redirect: 'error',
    })
    text = await response.text()
  } catch (error) {
    const { message, cause } = error as Error
    const isLate = stop.signal.aborted && signal?.aborted !== true
    const why = isLate ? `there was no answer for ${timeoutMs} ms` : whyOf(cause) || message
    return { error: new PushError(`push to ${address}: ${why}`, undefined, { cause: error }), mayPass: true }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
  if (response.ok) return undefined
  const { status } = response
  const error = new PushError(`push to ${address}: ${status} ${messageIn(text)}`.trimEnd(), status)
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return {
    error,
    mayPass: status === 408 || status === 429 || status >= 500,
    retryAfterMs: seconds >= 0 ? seconds * 1000 : undefined,
  }
}

/** When several addresses of a host name were tried, the error has no message of its own, but a code. */
const whyOf = (cause: unknown): string | undefined =>
  cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : undefined

/** Both servers answer with JSON that has a message, unless something between us and them answers. */
function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown }
    if (typeof message === 'string') return message.slice(0, 500)
  } catch {
    // It is text.
  }
  return text.trim().slice(0, 500)
}
