// Object files.
import type { MapHandle, ObjectHandle, ProgramHandle } from './handles.js'

export interface ObjectBinding {
  // ---- object: binding/object.cc

  /**
   * `bpf_object__open_file` for a path, `bpf_object__open_mem` for bytes, which are copied. The BTF to relocate against
   * is a path or bytes, too. If `kernelLogSize` is 0, libbpf manages logs.
   */
  objectOpen(
    source: string | Uint8Array,
    name: string | undefined,
    pinRootPath: string | undefined,
    kconfig: string | undefined,
    btfCustom: string | Uint8Array | undefined,
    bpfTokenPath: string | undefined,
    relaxedMaps: boolean,
    kernelLogLevel: number,
    kernelLogSize: number,
  ): ObjectHandle
  /**
   * Destroys the object's links, then calls `bpf_object__close`. Can be called more than once. If the object is
   * loading, it is closed after that.
   */
  objectClose(object: ObjectHandle): void
  objectName(object: ObjectHandle): string
  /** In the order of the file. A handle keeps the memory of the object alive. */
  objectPrograms(object: ObjectHandle): ProgramHandle[]
  objectMaps(object: ObjectHandle): MapHandle[]
  /** After a failure, neither prepare nor load can be called again: ERR_BPF_STATE. */
  objectPrepare(object: ObjectHandle): Promise<void>
  objectPrepareSync(object: ObjectHandle): void
  /** Runs on libuv's pool. The object cannot be used until the Promise settles. */
  objectLoad(object: ObjectHandle): Promise<void>
  objectLoadSync(object: ObjectHandle): void
  /** A copy of the object's `.BTF`, or `undefined` if it has none. */
  objectBtf(object: ObjectHandle): Uint8Array | undefined
  /** What the kernel wrote about the BTF into the buffer of `kernelLogSize` bytes. */
  objectKernelLog(object: ObjectHandle): string
  /** The descriptor of the BTF of a loaded object; negative if it has none. The object owns it. */
  objectBtfFd(object: ObjectHandle): number
  /** -1 if the object has no token. */
  objectTokenFd(object: ObjectHandle): number
  objectPin(object: ObjectHandle, path: string): void
  objectUnpin(object: ObjectHandle, path: string): void
  /** Without a path, pins every map that has a pin path. */
  objectPinMaps(object: ObjectHandle, path: string | undefined): void
  objectUnpinMaps(object: ObjectHandle, path: string | undefined): void
  objectPinPrograms(object: ObjectHandle, path: string): void
  objectUnpinPrograms(object: ObjectHandle, path: string): void
}
