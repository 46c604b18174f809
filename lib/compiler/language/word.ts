// A word of programs has no meaning in user space: the compiler reads it.

export function onlyInTheKernel(name: string): never {
  throw new Error(
    `${name} is for programs that run in the kernel: compile this file with libbpf-node gen, or with compile()`,
  )
}

export const word = <T>(name: string): T => (() => onlyInTheKernel(name)) as T
