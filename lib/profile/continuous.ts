import { checked, collectEveryMs, Profile, type ProfileInfo, type ProfileOptions, pause } from './profile.js'
import { Profiler } from './profiler.js'
import { checkTarget, PushError, type PushTarget, pushProfile } from './push.js'

/** Options for {@link pushProfiles}. */
export interface ContinuousOptions extends Omit<ProfileOptions, 'kind' | 'seconds' | 'signal'>, PushTarget {
  /** How long each profile takes; 15 by default. */
  seconds?: number
  /** Called for each profile that a server did not take. */
  onError?: (error: PushError) => void
}

/** What {@link pushProfiles} has done. */
export interface PushStats {
  /** Profiles that the server took, and the samples in them. */
  readonly sent: { readonly profiles: number; readonly samples: number }
  /**
   * Profiles and samples that the server did not take after all attempts, or that were dropped in favor of newer ones
   * while it could not be reached.
   */
  readonly lost: { readonly profiles: number; readonly samples: number }
  /** How many profiles are waiting to be sent. */
  readonly waiting: number
  /** Intervals in which nothing ran. Nothing is sent for them. */
  readonly empty: number
  /** What is missing from the profiles because the maps in the kernel were full. */
  readonly missing: ProfileInfo['lost']
}

/** Profiles wait while the server cannot be reached, but they must not fill the memory. */
const mostWaiting = 8

/** Sends profiles one after the other. @internal */
export class PushQueue {
  readonly #target: PushTarget
  readonly #onError: (error: PushError) => void
  readonly #waiting: Profile[] = []
  readonly #stop = new AbortController()
  #sending: Promise<void> | undefined
  #sent = { profiles: 0, samples: 0 }
  #lost = { profiles: 0, samples: 0 }
  #empty = 0

  constructor(target: PushTarget, onError: (error: PushError) => void) {
    this.#target = target
    this.#onError = onError
  }

  get stats(): Omit<PushStats, 'missing'> {
    return {
      sent: { ...this.#sent },
      lost: { ...this.#lost },
      waiting: this.#waiting.length,
      empty: this.#empty,
    }
  }

  add(profile: Profile): void {
    if (profile.total === 0) {
      this.#empty++
      return
    }
    this.#waiting.push(profile)
    // The one that is being sent stays.
    if (this.#waiting.length > mostWaiting) {
      const [oldest] = this.#waiting.splice(1, 1)
      this.#lose(oldest!)
      this.#onError(
        new PushError('a profile had to give way to newer ones: the server takes none', undefined),
      )
    }
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
    })
  }

  /** Waits until everything is sent or lost. What is not sent after `timeoutMs` is lost. */
  async end(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), timeoutMs)
    await this.#sending
    clearTimeout(timer)
  }

  async #send(): Promise<void> {
    for (;;) {
      const [profile] = this.#waiting
      if (profile === undefined) return
      try {
        await pushProfile(profile, this.#target, this.#stop.signal)
        this.#sent.profiles++
        this.#sent.samples += profile.total
      } catch (error) {
        this.#lose(profile)
        if (!(error instanceof PushError)) throw error
        this.#onError(error)
      }
      this.#waiting.shift()
    }
  }

  #lose(profile: Profile): void {
    this.#lost.profiles++
    this.#lost.samples += profile.total
  }
}

/** How long `close` waits for a server, in milliseconds. */
const patienceMs = 10_000

/** Takes profiles and sends them until it is closed. */
export class ContinuousProfile implements AsyncDisposable {
  readonly #profiler: Profiler
  readonly #queue: PushQueue
  readonly #stop = new AbortController()
  readonly #loop: Promise<void>
  #missing: ProfileInfo['lost'] = { samples: 0, stacks: 0 }

  private constructor(profiler: Profiler, options: ContinuousOptions) {
    this.#profiler = profiler
    this.#queue = new PushQueue(options, options.onError ?? (() => {}))
    this.#loop = this.#run(options)
    // `close` reports it.
    this.#loop.catch(() => {})
  }

  /** @internal */
  static async start(options: ContinuousOptions): Promise<ContinuousProfile> {
    checkTarget(options)
    const profiler = await Profiler.start({ ...checked(options), kind: 'cpu' })
    return new ContinuousProfile(profiler, options)
  }

  /** What was sent, and what was lost. */
  get stats(): PushStats {
    return { ...this.#queue.stats, missing: this.#missing }
  }

  /**
   * Stops measuring, sends what was measured last, and waits at most 10 seconds for the server. Calling it again
   * returns the same numbers.
   *
   * @throws BpfError if taking samples failed meanwhile
   */
  async close(): Promise<PushStats> {
    this.#stop.abort()
    try {
      await this.#loop
    } finally {
      this.#profiler.close()
      await this.#queue.end(patienceMs)
    }
    return this.stats
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run(options: ContinuousOptions): Promise<void> {
    const { hz, kernel } = checked(options)
    const { seconds = 15 } = options
    while (!this.#stop.signal.aborted) {
      const began = new Date()
      const start = performance.now()
      const end = start + seconds * 1000
      while (performance.now() < end && !this.#stop.signal.aborted) {
        await pause(Math.min(end - performance.now(), collectEveryMs), this.#stop.signal)
        await this.#profiler.collect()
      }
      const lost = this.#profiler.lost
      const profile = new Profile(this.#profiler.take(), {
        kind: 'cpu',
        hz,
        began,
        seconds: (performance.now() - start) / 1000,
        lost: { samples: lost.samples - this.#missing.samples, stacks: lost.stacks - this.#missing.stacks },
        kernelProblem: kernel ? this.#profiler.kernelProblem : undefined,
      })
      this.#missing = lost
      this.#queue.add(profile)
    }
  }
}

/**
 * Profiles all processes, or one, continuously, and sends a profile to Pyroscope or Parca every 15 seconds. Names that
 * were looked up are kept from one profile to the next. Up to 8 profiles wait while the server cannot be reached.
 *
 * It keeps the process alive until it is closed. It requires the same as {@link profile}.
 *
 * @example
 * await using pushing = await pushProfiles({ url: 'http://localhost:4040', service: 'shop' })
 * @throws TypeError or RangeError for wrong options; BpfError if it is not permitted, or the kernel does not support it
 */
export function pushProfiles(options: ContinuousOptions): Promise<ContinuousProfile> {
  return ContinuousProfile.start(options)
}
