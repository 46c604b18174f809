import { native } from './binding.js'

/** The version of the built-in libbpf, such as 'v1.7'. (`libbpf_version_string`) */
export function libbpfVersion(): string {
  return native.libbpfVersion()
}
