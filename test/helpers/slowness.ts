/** How many times slower than usual it may be here: a kernel under an emulator says so (scripts/kernels). */
export const slowness = Number(process.env.LIBBPF_NODE_SLOWNESS ?? 1)
