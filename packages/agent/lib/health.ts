/** Why a BPF program is not loaded or attached; the whole object has the name ''. */
export interface Failure {
  readonly program: string
  readonly reason: string
}

/** How a program of the configuration is. */
export interface ProgramHealth {
  /** `degraded`: some of its BPF programs are not attached. `failed`: none is. */
  readonly status: 'starting' | 'running' | 'degraded' | 'failed'
  readonly failures: readonly Failure[]
}

export type Overall = 'starting' | 'running' | 'degraded' | 'failed'

/** What /healthz and /readyz say. */
export class Health {
  readonly #programs = new Map<string, ProgramHealth>()
  #started = false

  /** Everything has been tried. */
  started(): void {
    this.#started = true
  }

  set(program: string, health: ProgramHealth): void {
    this.#programs.set(program, health)
  }

  remove(program: string): void {
    this.#programs.delete(program)
  }

  get overall(): Overall {
    const all = [...this.#programs.values()].map(({ status }) => status)
    if (!this.#started || all.includes('starting')) return 'starting'
    if (all.every((status) => status === 'running')) return 'running'
    return all.every((status) => status === 'failed') ? 'failed' : 'degraded'
  }

  /** Whether it does what it can: something runs. */
  get ready(): boolean {
    return this.overall === 'running' || this.overall === 'degraded'
  }

  toJSON(): object {
    return { status: this.overall, programs: Object.fromEntries(this.#programs) }
  }
}
