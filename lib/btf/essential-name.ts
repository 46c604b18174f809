/**
 * The name without its flavor, which lets a program have several versions of a kernel type. A flavor begins at the last
 * three underscores between other characters. (libbpf's `bpf_core_essential_name_len`)
 *
 * @internal
 */
export const essentialName = (name: string): string => name.replace(/^(.*[^_])___[^_].*$/, '$1')
