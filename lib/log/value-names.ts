// The names of logged values, from the arguments of the macro: `comm, e->flags, (__u32)pid` are comm, flags and pid.

/** Names for the expressions of C between the commas of `text`. */
export function valueNames(text: string): string[] {
  const expressions = split(text)
  const short = expressions.map(nameOf)
  // Two values with one name would hide each other.
  return short.map((name, i) => (short.indexOf(name) === short.lastIndexOf(name) ? name : expressions[i]!))
}

/** Splits at the commas that are not inside of brackets or literals. */
function split(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let part = ''
  for (const [token] of text.matchAll(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[\s\S]/g)) {
    if ('([{'.includes(token)) depth++
    if (')]}'.includes(token)) depth--
    if (token === ',' && depth === 0) {
      parts.push(part.trim())
      part = ''
    } else part += token
  }
  return text.trim() === '' ? [] : [...parts, part.trim()]
}

/** The last member of an expression, or the argument of a call or a cast. Other expressions stay as they are. */
function nameOf(expression: string): string {
  const path = /^[&*+]*(?:\w+(?:\[\w*\])?(?:\.|->))*(\w+)$/.exec(expression)
  if (path !== null && !/^\d/.test(path[1]!)) return path[1]!
  const inner =
    /^(?:\w+|\([\w\s*]+\))\s*\((.*)\)$/.exec(expression) ?? /^\([\w\s*]+\)\s*(.+)$/.exec(expression)
  const name = inner && nameOf(inner[1]!)
  return name !== null && /^[A-Za-z_]\w*$/.test(name) ? name : expression
}
