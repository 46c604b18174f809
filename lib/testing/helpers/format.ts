import { numberText, printf } from '../../format/printf.js'

/**
 * Formats a line as `bpf_trace_printk` and `bpf_snprintf` do.
 *
 * @param text - reads a string at a pointer
 */
export function format(pattern: string, args: readonly bigint[], text: (pointer: bigint) => string): string {
  return printf(pattern, (conversion, index) => {
    const value = args[index] ?? 0n
    switch (conversion.kind) {
      case 's':
      case 'pks':
      case 'pus':
        return text(value)
      case 'pI4':
      case 'pI6':
        return '(address)'
      default:
        return numberText(conversion, value)
    }
  })
}
