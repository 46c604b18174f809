import { writeFileSync } from 'node:fs'
import type { LinkerHandle } from '../../types/binding.js'
import { ownBytes } from '../btf/bytes.js'
import { attempt, attemptAsync } from '../errors/attempt.js'
import type { Subject } from '../errors/explain.js'
import { native } from '../native/binding.js'
import { type ObjectSource, toPathOrBytes } from './source.js'

/** A path, a `file:` URL, or the bytes of a compiled object. */
export type LinkSource = ObjectSource

/**
 * Links several BPF objects into one, as `bpftool gen object` does. `extern` functions, maps and variables of one
 * object are resolved to those that another one defines. The result has no DWARF, so linking a single object strips it.
 *
 * @example
 * const bytes = await Linker.link(['main.bpf.o', 'library.bpf.o'])
 * using obj = BpfObject.open(bytes)
 */
export class Linker implements Disposable {
  readonly #handle: LinkerHandle

  /** Creates a linker without any objects. (`bpf_linker__new_fd`, libbpf 1.6) */
  constructor() {
    this.#handle = attempt({ what: 'make a linker' }, () => native.linkerNew())
  }

  /** Links objects in one call, on libuv's pool. Returns the bytes of the linked object. */
  static async link(sources: Iterable<LinkSource>): Promise<Uint8Array> {
    using linker = new Linker()
    for (const source of sources) await linker.add(source)
    return await linker.finalize()
  }

  /** Like {@link link}, but blocks until it is done. */
  static linkSync(sources: Iterable<LinkSource>): Uint8Array {
    using linker = new Linker()
    for (const source of sources) linker.addSync(source)
    return linker.finalizeSync()
  }

  /**
   * Adds an object, on libuv's pool. Until that is done the linker throws ERR_BPF_BUSY. (`bpf_linker__add_file`,
   * `bpf_linker__add_buf`)
   *
   * @throws BpfError if it is not a BPF object, has another byte order, or contradicts an earlier object; afterwards
   * you can only close the linker
   */
  async add(source: LinkSource): Promise<this> {
    const from = toPathOrBytes(source)
    await attemptAsync(adding(from), () => native.linkerAdd(this.#handle, from))
    return this
  }

  /** Like {@link add}, but blocks until it is done. */
  addSync(source: LinkSource): this {
    const from = toPathOrBytes(source)
    attempt(adding(from), () => native.linkerAddSync(this.#handle, from))
    return this
  }

  /**
   * Finishes the linked object, on libuv's pool. This is possible once; afterwards you can only close the linker.
   * (`bpf_linker__finalize`)
   *
   * @param path - a file to write the object to
   * @returns the bytes of the object
   */
  async finalize(path?: string | URL): Promise<Uint8Array> {
    const bytes = ownBytes(await attemptAsync(finishing, () => native.linkerFinalize(this.#handle)))
    if (path !== undefined) await process.getBuiltinModule('node:fs/promises').writeFile(path, bytes)
    return bytes
  }

  /** Like {@link finalize}, but blocks until it is done. */
  finalizeSync(path?: string | URL): Uint8Array {
    const bytes = ownBytes(attempt(finishing, () => native.linkerFinalizeSync(this.#handle)))
    if (path !== undefined) writeFileSync(path, bytes)
    return bytes
  }

  /** Releases the linker, or if it is busy, as soon as it is done. Closing twice is fine. (`bpf_linker__free`) */
  close(): void {
    native.linkerClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

const finishing: Subject = { what: 'finish the linked object' }

function adding(source: string | Uint8Array): Subject {
  if (typeof source !== 'string') return { what: `link an object of ${source.length} bytes` }
  return { what: `link object '${source}'`, target: source }
}
