import type { ContainersOptions } from '@libbpf-node/otel/containers'
import type { ContainersConfig } from './types.js'

/** What the library calls the settings. */
export function containersOptions(
  { cri, kubelet }: ContainersConfig,
  report: (message: string) => void,
): ContainersOptions {
  const { url, token_file: tokenFile, ca_file: caFile, insecure } = kubelet ?? {}
  return {
    report,
    ...(cri !== undefined && { cri }),
    ...(kubelet !== undefined && {
      kubelet: {
        ...(url !== undefined && { url }),
        ...(tokenFile !== undefined && { tokenFile }),
        ...(caFile !== undefined && { caFile }),
        ...(insecure !== undefined && { insecure }),
      },
    }),
  }
}
