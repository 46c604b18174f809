import { existsSync, readdirSync } from 'node:fs'
import type { BtfHandle } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import type { Subject } from '../errors/explain.js'
import { didYouMean } from '../errors/nearest.js'
import { native } from '../native/binding.js'
import { BtfTypes } from './parse.js'
import { Planner } from './plan.js'

/** What the kernel says of BTF that it has. */
export interface BtfInfo {
  id: number
  /** 'vmlinux', or a module's name; '' for what came with programs and maps. */
  name: string
  /** The kernel's own, or a module's. */
  isKernel: boolean
  /** Bytes. */
  size: number
}

export interface BtfOptions {
  /** What split BTF continues: the kernel's BTF for that of a module. It may be closed before what is on top of it. */
  base?: Btf
}

export interface DumpOptions {
  /** Puts each member on a line of its own, with this before it for each level; without it all is on one line. */
  indent?: string
  /** Whether members and types are named, as they are by default. */
  names?: boolean
  /** Shows members that are 0, too. */
  zeroes?: boolean
}

let handleOf: (btf: Btf | undefined) => BtfHandle | undefined

/** Type information: of the kernel, of its modules and programs, or from bytes. */
export class Btf implements Disposable {
  readonly #handle: BtfHandle
  readonly #base: BtfTypes | undefined
  #types: BtfTypes | undefined

  static {
    handleOf = (btf) => (btf === undefined ? undefined : btf.#handle)
  }

  private constructor(handle: BtfHandle, base?: BtfTypes) {
    this.#handle = handle
    this.#base = base
  }

  /** The running kernel's. (`btf__load_vmlinux_btf`, Linux with CONFIG_DEBUG_INFO_BTF) */
  static fromKernel(): Btf {
    return new Btf(attempt({ what: "load the kernel's BTF" }, () => native.btfLoadKernel()))
  }

  /**
   * A kernel module's, with the kernel's below it. (`btf__load_module_btf`, Linux 5.11 with CONFIG_DEBUG_INFO_BTF_MODULES)
   *
   * @param name - as in /sys/kernel/btf: with `_` for `-`
   */
  static fromModule(name: string, options: BtfOptions = {}): Btf {
    return Btf.#onKernel(options.base, (base) =>
      attempt({ what: `load the BTF of module '${name}'${moduleHint(name)}`, target: name }, () =>
        native.btfLoadModule(name, base),
      ),
    )
  }

  /**
   * By the kernel's number for it, such as `btfId` in what `info()` of a map or program says. That of a module has the kernel's
   * below it. (`btf__load_from_kernel_by_id_split`, Linux 4.18; CAP_SYS_ADMIN)
   */
  static fromId(id: number, options: BtfOptions = {}): Btf {
    const { isKernel, name } = Btf.info(id)
    const load = (base: BtfHandle | undefined) =>
      attempt(subjectOfId(id, 'load'), () => native.btfLoadById(id, base))
    if (isKernel && name !== 'vmlinux') return Btf.#onKernel(options.base, load)
    return new Btf(load(handleOf(options.base)), options.base?.types)
  }

  /** What the kernel says of BTF with that number; `ids('btf')` lists them. (`bpf_btf_get_info_by_fd`, Linux 4.18; CAP_SYS_ADMIN) */
  static info(id: number): BtfInfo {
    return attempt(subjectOfId(id, 'read the info of'), () => native.btfInfo(id))
  }

  /** From raw BTF: a `.BTF` section, a file of /sys/kernel/btf. (`btf__new`, `btf__new_split`) */
  static fromBytes(bytes: Uint8Array, options: BtfOptions = {}): Btf {
    const { base } = options
    return new Btf(
      attempt({ what: 'read BTF' }, () => native.btfNew(bytes, handleOf(base))),
      base?.types,
    )
  }

  /**
   * From a file: raw BTF, such as those of /sys/kernel/btf, or an ELF file that carries it, such as an object or a vmlinux. Those of modules need the
   * kernel's as a base. (`btf__parse`, `btf__parse_split`)
   */
  static fromFile(path: string, options: BtfOptions = {}): Btf {
    const { base } = options
    const subject = { what: `read BTF from '${path}'`, target: path, arguments: ['path'] }
    return new Btf(
      attempt(subject, () => native.btfParse(path, handleOf(base))),
      base?.types,
    )
  }

  static #onKernel(given: Btf | undefined, load: (base: BtfHandle) => BtfHandle): Btf {
    const base = given ?? Btf.fromKernel()
    try {
      return new Btf(load(base.#handle), base.types)
    } finally {
      // The native side keeps what it stands on.
      if (given === undefined) base.close()
    }
  }

  /** Its types, to look up and to make codecs of. */
  get types(): BtfTypes {
    this.#types ??= new BtfTypes(native.btfBytes(this.#handle), this.#base)
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

  /**
   * A value as C would write it, for people to look at: `(struct event){.pid = (int)1,}`. A codec of `types` gives one to work with.
   * (`btf_dump__dump_type_data`)
   *
   * @param type - a struct's, union's or other type's name, or its id
   */
  dumpData(type: string | number, bytes: Uint8Array, options: DumpOptions = {}): string {
    const { indent, names = true, zeroes = false } = options
    const { types } = this
    const id =
      typeof type === 'number'
        ? type
        : (types.find(type, 'struct') ?? types.find(type, 'union') ?? types.get(type)).id
    // It checks that no member lies outside of its struct, which libbpf doesn't.
    new Planner(types, false).plan(id)
    return attempt({ what: `write ${bytes.length} bytes as type ${type}` }, () =>
      native.btfDumpData(this.#handle, id, bytes, indent, !names, zeroes),
    )
  }

  /** Frees the native side; `types` can be used on. Closing twice is fine. */
  close(): void {
    native.btfClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

const folder = '/sys/kernel/btf'

/** Says which modules there are, if not this one. */
function moduleHint(name: string): string {
  if (!existsSync(folder) || existsSync(`${folder}/${name}`)) return ''
  return `, which is not in ${folder}${didYouMean(name, readdirSync(folder))}`
}

function subjectOfId(id: number, what: string): Subject {
  return { what: `${what} the BTF with id ${id}`, capabilities: () => ['CAP_SYS_ADMIN'] }
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
