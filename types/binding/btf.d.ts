// BTF and the linker.
import type { BtfHandle, LinkerHandle } from './handles.js'

export interface BtfInfo {
  id: number
  /** `vmlinux` or the name of a module; '' for the BTF of a program. */
  name: string
  /** Whether it belongs to the kernel or to a module. */
  isKernel: boolean
  /** Bytes. */
  size: number
}

export interface BtfBinding {
  // ---- BTF: binding/btf.cc

  /** `bpf_btf_load`: a descriptor that the caller has to close. `tokenFd` is -1 without a token. */
  btfLoadForMaps(btf: BtfHandle, tokenFd: number): number
  /** `btf__load_vmlinux_btf`. */
  btfLoadKernel(): BtfHandle
  /** `btf__load_module_btf`: split BTF, with the kernel's as its base. */
  btfLoadModule(name: string, base: BtfHandle): BtfHandle
  /** `btf__load_from_kernel_by_id_split`. Requires CAP_SYS_ADMIN. */
  btfLoadById(id: number, base: BtfHandle | undefined): BtfHandle
  /** `bpf_btf_get_info_by_fd` for an id. */
  btfInfo(id: number): BtfInfo
  /** `btf__new`, `btf__new_split` with a base. */
  btfNew(bytes: Uint8Array, base: BtfHandle | undefined): BtfHandle
  /** `btf__parse`, or `btf__parse_split` with a base: raw BTF, or that of an ELF file. */
  btfParse(path: string, base: BtfHandle | undefined): BtfHandle
  /** A copy of the raw bytes. */
  btfBytes(btf: BtfHandle): Uint8Array
  /** A copy of the raw bytes in either byte order. (`btf__set_endianness`) */
  btfBytesIn(btf: BtfHandle, littleEndian: boolean): Uint8Array
  /** `btf__load_into_kernel`: returns the id. Fails with EEXIST if it was loaded before. */
  btfLoad(btf: BtfHandle): number
  /** `btf__fd`: -1 if it is not in the kernel. */
  btfFd(btf: BtfHandle): number
  /** `btf__add_btf` for each, then `btf__dedup`. None of them may have a base. */
  btfMerge(list: BtfHandle[]): BtfHandle
  /**
   * `btf_dump__dump_type`: C declarations of these types and of the types that they need. Without ids, all types and
   * the prototypes of all kfuncs.
   */
  btfToC(btf: BtfHandle, ids: Uint32Array | undefined): string
  /**
   * `btf_dump__dump_type_data`: a value in C syntax, on one line, or on several with an `indent` for each level.
   * `skipNames` leaves out the names of members and types, and `zeroes` includes members that are 0. E2BIG if there
   * are too few bytes.
   */
  btfDumpData(
    btf: BtfHandle,
    typeId: number,
    bytes: Uint8Array,
    indent: string | undefined,
    skipNames: boolean,
    zeroes: boolean,
  ): string
  btfClose(btf: BtfHandle): void

  // ---- linker: binding/linker.cc

  /** `bpf_linker__new_fd`, with a file in memory. */
  linkerNew(): LinkerHandle
  /**
   * `bpf_linker__add_file` for a path, `bpf_linker__add_buf` for bytes, which are copied. After a failure, the linker
   * can only be closed: ERR_BPF_STATE.
   */
  linkerAdd(linker: LinkerHandle, source: string | Uint8Array): Promise<void>
  linkerAddSync(linker: LinkerHandle, source: string | Uint8Array): void
  /** Returns the linked object. After that, the linker can only be closed. */
  linkerFinalize(linker: LinkerHandle): Promise<Uint8Array>
  linkerFinalizeSync(linker: LinkerHandle): Uint8Array
  /** Can be called more than once. If the linker is busy, it is closed after that. */
  linkerClose(linker: LinkerHandle): void
}
