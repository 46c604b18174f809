/** One `%` of a format: `%-8llx` has kind x, length ll, and is padded. */
export interface Conversion {
  /** The letter, or the kernel's letters such as pI4. */
  readonly kind: string
  readonly length: string | undefined
  readonly flags: string
}

/**
 * Puts values into a printf format, as `bpf_trace_printk` and `bpf_snprintf` understand it.
 *
 * @param convert - returns the text of the value with an index, before it is padded
 */
export function printf(pattern: string, convert: (conversion: Conversion, index: number) => string): string {
  let next = 0
  return pattern.replace(
    /%(%|([-0+ #]*)(\d*)(?:\.(\d+))?(hh|h|ll|l|z)?(pI4|pI6|pks|pus|pK|px|ps|pB|[diuxXscp]))/g,
    (
      _,
      all: string,
      flags: string,
      width: string,
      most: string | undefined,
      length: string | undefined,
      kind: string,
    ) => {
      if (all === '%') return '%'
      const whole = convert({ kind, length, flags }, next++)
      const out = kind === 's' && most !== undefined ? whole.slice(0, Number(most)) : whole
      const fill = flags.includes('0') && !flags.includes('-') ? '0' : ' '
      return flags.includes('-') ? out.padEnd(Number(width)) : out.padStart(Number(width), fill)
    },
  )
}

/** The text of a number. If the kind is not one of a number, it is written as a pointer. */
export function numberText({ kind, length, flags }: Conversion, value: bigint): string {
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
    default:
      return BigInt.asUintN(64, value).toString(16).padStart(16, '0')
  }
}
