/**
 * The codes of errors that come from this library itself, and not from a system call.
 *
 * | code | what it means | what to do |
 * |---|---|---|
 * | `ERR_BPF_BUSY` | The object is loading on another thread, or another operation of the same kind is running. | Wait for the promise of that operation. |
 * | `ERR_BPF_CLOSED` | The object, map, link or reader is closed, or belongs to an object that is closed. | Open it again. |
 * | `ERR_BPF_COMPILE` | A program in TypeScript has a mistake. | The message shows the line, and what to write instead. |
 * | `ERR_BPF_EMULATOR` | A program did something wrong while `libbpf-node/testing` emulated it. | The message says what, and where. |
 * | `ERR_BPF_ITERATION` | A map changes faster than it can be iterated, so the iteration keeps starting over. | Iterate when the map is quieter, or in batches. |
 * | `ERR_BPF_MISMATCH` | A map has another type, other sizes or other flags than expected. | The message lists every difference. |
 * | `ERR_BPF_NOT_FOUND` | An object has no program, map, section, type or BTF of that name. | The message suggests similar names. |
 * | `ERR_BPF_STALE` | Generated code and the object file next to it do not belong together. | Run `libbpf-node gen` again. |
 * | `ERR_BPF_STATE` | The operation is not possible in the current state, for example `attach()` before `load()`. | The message names the state that is needed. |
 * | `ERR_BPF_TRACE` | A question of `libbpf-node/trace` cannot be asked: a probe does not exist, or a function cannot run in the kernel. | The message says which, and what to write instead. |
 */
export type BpfErrorCode =
  | 'ERR_BPF_BUSY'
  | 'ERR_BPF_CLOSED'
  | 'ERR_BPF_COMPILE'
  | 'ERR_BPF_EMULATOR'
  | 'ERR_BPF_ITERATION'
  | 'ERR_BPF_MISMATCH'
  | 'ERR_BPF_NOT_FOUND'
  | 'ERR_BPF_STALE'
  | 'ERR_BPF_STATE'
  | 'ERR_BPF_TRACE'
