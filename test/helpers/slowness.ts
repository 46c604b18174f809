/** How many times slower than usual the tests may be. Set for kernels that run in an emulator (scripts/kernels). */
export const slowness = Number(process.env.LIBBPF_NODE_SLOWNESS ?? 1)
