/**
 * Formats a line as `bpf_trace_printk` and `bpf_snprintf` do.
 *
 * @param text - reads a string at a pointer
 */
export function format(pattern: string, args: readonly bigint[], text: (pointer: bigint) => string): string {
  let next = 0
  return pattern.replace(
    /%(%|([-0+ #]*)(\d*)(hh|h|ll|l|z)?(pI4|pI6|pks|pus|pK|px|ps|pB|[diuxXscp]))/g,
    (_, all: string, flags: string, width: string, length: string, kind: string) => {
      if (all === '%') return '%'
      const value = args[next++] ?? 0n
      const out = convert(kind, value, length, flags, text)
      const fill = flags.includes('0') && !flags.includes('-') ? '0' : ' '
      return flags.includes('-') ? out.padEnd(Number(width)) : out.padStart(Number(width), fill)
    },
  )
}

function convert(
  kind: string,
  value: bigint,
  length: string | undefined,
  flags: string,
  text: (pointer: bigint) => string,
): string {
  const bits = { hh: 8, h: 16, l: 64, ll: 64, z: 64 }[length ?? ''] ?? 32
  switch (kind) {
    case 'd':
    case 'i':
      return String(BigInt.asIntN(bits, value))
    case 'u':
      return String(BigInt.asUintN(bits, value))
    case 'x':
    case 'X': {
      const digits = `${flags.includes('#') ? '0x' : ''}${BigInt.asUintN(bits, value).toString(16)}`
      return kind === 'X' ? digits.toUpperCase() : digits
    }
    case 'c':
      return String.fromCharCode(Number(value & 0xffn))
    case 's':
    case 'pks':
    case 'pus':
      return text(value)
    case 'pI4':
    case 'pI6':
      return '(address)'
    default:
      return BigInt.asUintN(64, value).toString(16).padStart(16, '0')
  }
}
