/** A question that cannot be asked: a probe that does not exist, or a function that cannot run in the kernel. */
export class TraceError extends Error {
  readonly code = 'ERR_BPF_TRACE'
  override readonly name = 'TraceError'
}
