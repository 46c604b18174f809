import { readFileSync } from 'node:fs'
import type { BtfHandle } from '../types/binding.js'
import { native } from './binding.js'
import { BtfTypes } from './btf/parse.js'
import { attempt } from './call.js'

/** Type information: of the kernel, or from bytes. */
export class Btf implements Disposable {
  readonly #handle: BtfHandle
  #types: BtfTypes | undefined

  private constructor(handle: BtfHandle) {
    this.#handle = handle
  }

  /** The running kernel's. (`btf__load_vmlinux_btf`, Linux with CONFIG_DEBUG_INFO_BTF) */
  static fromKernel(): Btf {
    return new Btf(attempt({ what: "load the kernel's BTF" }, () => native.btfLoadKernel()))
  }

  /** From raw BTF: a `.BTF` section, a file of /sys/kernel/btf. (`btf__new`) */
  static fromBytes(bytes: Uint8Array): Btf {
    return new Btf(attempt({ what: 'read BTF' }, () => native.btfNew(bytes, undefined)))
  }

  /** From a file of raw BTF, such as those of /sys/kernel/btf. */
  static fromFile(path: string): Btf {
    return Btf.fromBytes(readFileSync(path))
  }

  /** Its types, to look up and to make codecs of. */
  get types(): BtfTypes {
    this.#types ??= new BtfTypes(native.btfBytes(this.#handle))
    return this.#types
  }

  /**
   * C declarations, as BPF programs include them for `vmlinux.h`: of all types, or of some with what they need. Accesses to their members are
   * relocated (CO-RE) unless BPF_NO_PRESERVE_ACCESS_INDEX is defined. (`btf_dump__dump_type`)
   */
  toC(names?: Iterable<string>): string {
    const ids = names === undefined ? undefined : Uint32Array.from(names, (name) => this.types.get(name).id)
    const declarations = attempt({ what: 'write BTF as C' }, () => native.btfToC(this.#handle, ids))
    return `${head}${declarations}${tail}`
  }

  /** Frees the native side; `types` can be used on. Closing twice is fine. */
  close(): void {
    native.btfClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

const head = `#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

`

const tail = `
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
`
