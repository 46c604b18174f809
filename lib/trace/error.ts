/**
 * Thrown for a question that cannot be asked, such as one about a probe that does not exist, or with a function that
 * cannot run in the kernel.
 */
export class TraceError extends Error {
  readonly code = 'ERR_BPF_TRACE'
  override readonly name = 'TraceError'
}
