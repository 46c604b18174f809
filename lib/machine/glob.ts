/** The wildcards * and ? as the source of a regular expression. Everything else stands for itself. */
export function globSource(glob: string): string {
  const escaped = glob.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  // Several * in a row mean the same as one. As an expression, `.*.*` would try every way to split a name.
  return escaped.replace(/\*+/g, '.*').replaceAll('?', '.')
}

/** An expression that matches whole names. */
export const globToRegExp = (glob: string): RegExp => new RegExp(`^${globSource(glob)}$`)
