import { BpfError } from '../errors/errors.js'
import { native } from '../native/binding.js'

/** A file descriptor of the kernel, which is closed with its owner. */
export abstract class OwnedDescriptor implements Disposable {
  readonly #fd: number
  /** What errors call it, such as "the token". */
  readonly #what: string
  #closed = false

  /** @internal */
  constructor(fd: number, what: string) {
    this.#fd = fd
    this.#what = what
  }

  /** The number of the descriptor. The object owns it. @throws BpfError ERR_BPF_CLOSED if it is closed */
  get fd(): number {
    if (this.#closed) throw new BpfError(`${this.#what} is closed`, { code: 'ERR_BPF_CLOSED' })
    return this.#fd
  }

  /** Closes the descriptor. What the kernel made with it stays. Closing twice is fine. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    native.descriptorClose(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
