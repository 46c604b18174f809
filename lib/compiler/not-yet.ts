// What the kernel has and programs in TypeScript cannot use yet; programs in C can.

/** By the names of kfuncs. */
export function kfuncNotYet(name: string): string | undefined {
  return /^bpf_(percpu_obj|refcount)_/.test(name)
    ? 'objects for each CPU, and those with several owners,'
    : undefined
}

/** What to do instead. */
export const inC = 'Write this program in C; objects of both languages can be linked.'
