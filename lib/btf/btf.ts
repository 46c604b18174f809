import { existsSync, readdirSync } from 'node:fs'
import type { BtfHandle } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import type { Subject } from '../errors/explain.js'
import { didYouMean } from '../errors/nearest.js'
import { native } from '../native/binding.js'
import { ownBytes } from './bytes.js'
import type { Codec, CodecOptions } from './codec.js'
import { BtfTypes } from './parse.js'
import { Planner } from './plan.js'

/** What the kernel reports about a BTF object that it holds. */
export interface BtfInfo {
  id: number
  /** `'vmlinux'`, or the name of a module; `''` for BTF that was loaded with programs and maps. */
  name: string
  /** Whether it belongs to the kernel or to a module. */
  isKernel: boolean
  /** Size in bytes. */
  size: number
}

export interface BtfOptions {
  /** The BTF that split BTF extends: the kernel's for the BTF of a module. You may close it before the split BTF. */
  base?: Btf
}

export interface DumpOptions {
  /** Puts each member on its own line, indented with this string once per level. Without it, the result is one line. */
  indent?: string
  /** Whether to write the names of members and types. The default is `true`. */
  names?: boolean
  /** Whether to write members that are 0, too. The default is `false`. */
  zeroes?: boolean
}

let handleOf: (btf: Btf | undefined) => BtfHandle | undefined

/**
 * BPF Type Format (BTF): the types of the kernel, of a kernel module, or of an object file.
 *
 * @example
 * using btf = Btf.fromKernel()
 * const task = btf.codec<{ pid: number; comm: string }>('task_struct')
 * await writeFile('vmlinux.h', btf.toC())
 */
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

  /**
   * Loads the BTF of the running kernel. (`btf__load_vmlinux_btf`)
   *
   * @throws BpfError ENOENT if the kernel was built without CONFIG_DEBUG_INFO_BTF
   */
  static fromKernel(): Btf {
    return new Btf(attempt({ what: "load the kernel's BTF" }, () => native.btfLoadKernel()))
  }

  /**
   * Loads the BTF of a kernel module. It includes the types of the kernel. (`btf__load_module_btf`, Linux 5.11 with
   * CONFIG_DEBUG_INFO_BTF_MODULES)
   *
   * @param name - the module's name as in /sys/kernel/btf, where `-` is written as `_`
   * @throws BpfError ENOENT if the module is not loaded or has no BTF
   */
  static fromModule(name: string, options: BtfOptions = {}): Btf {
    return Btf.#onKernel(options.base, (base) =>
      attempt({ what: `load the BTF of module '${name}'${moduleHint(name)}`, target: name }, () =>
        native.btfLoadModule(name, base),
      ),
    )
  }

  /**
   * Loads BTF by its id in the kernel, such as `btfId` in the `info()` of a map or program. The BTF of a module
   * includes the types of the kernel. (`btf__load_from_kernel_by_id_split`, Linux 4.18; requires CAP_SYS_ADMIN)
   *
   * @throws BpfError ENOENT if no BTF has this id
   */
  static fromId(id: number, options: BtfOptions = {}): Btf {
    const { isKernel, name } = Btf.info(id)
    const load = (base: BtfHandle | undefined) =>
      attempt(subjectOfId(id, 'load'), () => native.btfLoadById(id, base))
    if (isKernel && name !== 'vmlinux') return Btf.#onKernel(options.base, load)
    return new Btf(load(handleOf(options.base)), options.base?.types)
  }

  /**
   * Returns what the kernel reports about the BTF with this id; `ids('btf')` lists the ids. (`bpf_btf_get_info_by_fd`,
   * Linux 4.18; requires CAP_SYS_ADMIN)
   *
   * @throws BpfError ENOENT if no BTF has this id
   */
  static info(id: number): BtfInfo {
    return attempt(subjectOfId(id, 'read the info of'), () => native.btfInfo(id))
  }

  /**
   * Reads raw BTF: the contents of a `.BTF` section, or of a file in /sys/kernel/btf. (`btf__new`, `btf__new_split`)
   *
   * @throws BpfError EINVAL if the bytes are not valid BTF, or are split BTF and no base is given
   */
  static fromBytes(bytes: Uint8Array, options: BtfOptions = {}): Btf {
    const { base } = options
    return new Btf(
      attempt({ what: 'read BTF' }, () => native.btfNew(bytes, handleOf(base))),
      base?.types,
    )
  }

  /**
   * Reads BTF from a file: raw BTF like the files in /sys/kernel/btf, or an ELF file that contains BTF, such as an
   * object file or a vmlinux. The BTF of a module needs the kernel's BTF as its base. (`btf__parse`,
   * `btf__parse_split`)
   *
   * @throws BpfError if the file cannot be read, or contains no valid BTF
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
      // The native side keeps the base alive as long as it is needed.
      if (given === undefined) base.close()
    }
  }

  /**
   * Makes a codec that reads and writes values of a type. A short form of `btf.types.codec`; the codec can still be
   * used after {@link close}.
   *
   * @example
   * const task = btf.codec<{ pid: number; comm: string }>('task_struct')
   * const { pid, comm } = task.decodeBytes(bytes)
   *
   * @param type - the type's name in C, without `struct` or `union`, or its id
   * @throws RangeError that suggests similar names, if no type has this name or id
   * @throws TypeError if the type has no values, or has a member whose type BTF cannot express
   */
  codec<T = Record<string, unknown>>(type: string | number, options?: CodecOptions): Codec<T> {
    return this.types.codec<T>(type, options)
  }

  /**
   * A copy of the BTF in its binary form, without its base: to save that of a module or a program, or to relocate
   * against on another machine (`btfCustomPath`). (`btf__raw_data`)
   *
   * @example writeFileSync('kernel.btf', Btf.fromKernel().bytes)
   */
  get bytes(): Uint8Array {
    return ownBytes(attempt({ what: 'read the bytes of BTF' }, () => native.btfBytes(this.#handle)))
  }

  /**
   * The same as {@link bytes}, in either byte order, and with the types of the base: BTF that stands alone.
   * (`btf__set_endianness`, `btf__raw_data`)
   *
   * @param options - `littleEndian`: the byte order; its own by default
   */
  toBytes({ littleEndian = this.types.littleEndian }: { littleEndian?: boolean } = {}): Uint8Array {
    if (this.#base === undefined) return ownBytes(native.btfBytesIn(this.#handle, littleEndian))
    using whole = Btf.fromBytes(joined(this.#base, this.bytes))
    return whole.toBytes({ littleEndian })
  }

  /**
   * Merges the types of several BTFs, and keeps one copy of types that are the same: the kernel's types and those of
   * modules become one BTF, which an object can be relocated against (`btfCustom`). (`btf__add_btf`, `btf__dedup`)
   *
   * @example
   * using kernel = Btf.fromKernel()
   * using all = Btf.merge([kernel, Btf.fromModule('xfs', { base: kernel })])
   * const object = BpfObject.open('xfs.bpf.o', { btfCustom: all.bytes })
   */
  static merge(list: Iterable<Btf>): Btf {
    const alone = Array.from(list, (btf) => Btf.fromBytes(btf.toBytes()))
    try {
      return new Btf(
        attempt({ what: 'merge BTF', arguments: ['list'] }, () =>
          native.btfMerge(alone.map((btf) => btf.#handle)),
        ),
      )
    } finally {
      for (const btf of alone) btf.close()
    }
  }

  /**
   * Loads the BTF into the kernel, which checks it and keeps it until it is closed and no map or program uses it.
   * {@link fd} is then its descriptor. (`btf__load_into_kernel`, Linux 4.18; requires CAP_BPF)
   *
   * @returns its id, for {@link fromId}, {@link info} and `listBtfs`
   * @throws BpfError EEXIST if it is loaded already; EINVAL if the kernel does not accept it, with its log
   */
  load(): number {
    return attempt({ what: 'load BTF into the kernel', capabilities: () => ['CAP_BPF'] }, () =>
      native.btfLoad(this.#handle),
    )
  }

  /** The descriptor of BTF that {@link load} has loaded; `undefined` for other BTF. (`btf__fd`) */
  get fd(): number | undefined {
    const fd = attempt({ what: 'read the descriptor of BTF' }, () => native.btfFd(this.#handle))
    return fd < 0 ? undefined : fd
  }

  /** The types, to look up and to make codecs from. */
  get types(): BtfTypes {
    this.#types ??= new BtfTypes(native.btfBytes(this.#handle), this.#base)
    return this.#types
  }

  /**
   * Writes C declarations, which BPF programs include as `vmlinux.h`. Accesses to members are relocated (CO-RE) unless
   * BPF_NO_PRESERVE_ACCESS_INDEX is defined. (`btf_dump__dump_type`)
   *
   * Without `names` you get all types and the prototypes of all kfuncs, as bpftool writes them. A source file that
   * declares kfuncs itself must define BPF_NO_KFUNC_PROTOTYPES before it includes them.
   *
   * @param names - the types to declare, with all types that they need; all types by default
   * @throws RangeError that suggests similar names, if there is no such type
   */
  toC(names?: Iterable<string>): string {
    const ids = names === undefined ? undefined : Uint32Array.from(names, (name) => this.types.get(name).id)
    const declarations = attempt({ what: 'write BTF as C' }, () => native.btfToC(this.#handle, ids))
    return `${head}${declarations}${tail}`
  }

  /**
   * Writes a value in the form of a C initializer, for people to read: `(struct event){.pid = (int)1,}`. To get a value
   * to work with, use {@link codec}. (`btf_dump__dump_type_data`)
   *
   * @param type - the type's name in C, without `struct` or `union`, or its id
   * @throws BpfError E2BIG if there are fewer bytes than the type has
   */
  dumpData(type: string | number, bytes: Uint8Array, options: DumpOptions = {}): string {
    const { indent, names = true, zeroes = false } = options
    const { types } = this
    const id = typeof type === 'number' ? type : types.valueType(type).id
    // Checks that no member lies outside of its struct, which libbpf does not check.
    new Planner(types, false).plan(id)
    return attempt({ what: `write ${bytes.length} bytes as type ${type}` }, () =>
      native.btfDumpData(this.#handle, id, bytes, indent, !names, zeroes),
    )
  }

  /**
   * Passes `use` a descriptor of the types in the kernel: that of {@link load}, or one that is only open during the call.
   * (`bpf_btf_load`, Linux 4.18)
   *
   * @param token - the descriptor of a token; -1 for none
   * @internal
   */
  inKernel<T>(token: number, use: (fd: number) => T): T {
    const { fd: loaded } = this
    if (loaded !== undefined) return use(loaded)
    const subject = { what: 'load BTF into the kernel', capabilities: () => ['CAP_BPF' as const] }
    const fd = attempt(subject, () => native.btfLoadForMaps(this.#handle, token))
    try {
      return use(fd)
    } finally {
      native.descriptorClose(fd)
    }
  }

  /** Frees the native memory. `types` and codecs can still be used. Closing twice is fine. */
  close(): void {
    native.btfClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Split BTF and its base, one after the other: numbers of types and places of strings go on where the base ends. */
function joined(base: BtfTypes, split: Uint8Array): Uint8Array {
  const [first, second] = [base.sections, new BtfTypes(split, base).sections]
  const types = Buffer.concat([first.types, second.types])
  const strings = Buffer.concat([first.strings, second.strings])
  const header = new DataView(new ArrayBuffer(24))
  const { littleEndian } = base
  header.setUint16(0, 0xeb9f, littleEndian)
  header.setUint8(2, 1)
  for (const [i, value] of [24, 0, types.length, types.length, strings.length].entries())
    header.setUint32(4 + i * 4, value, littleEndian)
  return Buffer.concat([new Uint8Array(header.buffer), types, strings])
}

const folder = '/sys/kernel/btf'

/** Says that there is no such module, and suggests similar names. */
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
