/**
 * The name without a flavor, by which a program has several versions of a type of the kernel: what follows the last three
 * underscores between other characters. (libbpf's `bpf_core_essential_name_len`)
 *
 * @internal
 */
export const essentialName = (name: string): string => name.replace(/^(.*[^_])___[^_].*$/, '$1')
