// Loads programs, and interrupts the verifier if it follows too many ways: one program in 300 takes it seconds.
import { Worker } from 'node:worker_threads'
import type { BpfObject } from 'libbpf-node'
import { slowness } from '../../helpers/slowness.js'

/** Milliseconds of the kernel's time that a program gets. */
const most = 250 * slowness

/** In a thread of its own: the verifier returns EAGAIN when there is a signal, and libbpf tries it again some times. */
const interrupter = `
const { workerData: state } = require('node:worker_threads')
for (;;) {
  Atomics.wait(state, 0, 0)
  const start = process.cpuUsage()
  while (Atomics.wait(state, 0, 1, 20) === 'timed-out')
    if (process.cpuUsage(start).system > ${most} * 1000) process.kill(process.pid, 'SIGWINCH')
}`

export class Patience {
  /** 1 while a program is being loaded. */
  readonly #state = new Int32Array(new SharedArrayBuffer(4))
  readonly #worker = new Worker(interrupter, { eval: true, workerData: this.#state })
  readonly #ignore = (): void => {}

  constructor() {
    this.#worker.unref()
    process.on('SIGWINCH', this.#ignore)
  }

  /** @returns false if it takes too long */
  load(object: BpfObject): boolean {
    this.#set(1)
    try {
      object.loadSync()
      return true
    } catch (error) {
      if ((error as { code?: string }).code === 'EAGAIN') return false
      throw error
    } finally {
      this.#set(0)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('SIGWINCH', this.#ignore)
    await this.#worker.terminate()
  }

  #set(state: 0 | 1): void {
    Atomics.store(this.#state, 0, state)
    Atomics.notify(this.#state, 0)
  }
}
