export type EventAttributes = Record<string, string | number | boolean>

/**
 * Converts the members of an event into attributes of OpenTelemetry. Members of structs get names such as
 * `address.port`, bytes become hexadecimal digits, arrays become JSON, and bigints become numbers, or text above 2^53.
 */
export function toAttributes(event: object, prefix = '', to: EventAttributes = {}): EventAttributes {
  for (const [name, value] of Object.entries(event)) {
    const shown = plain(value)
    if (typeof shown === 'string' || typeof shown === 'number' || typeof shown === 'boolean')
      to[prefix + name] = shown
    else if (Array.isArray(shown)) to[prefix + name] = JSON.stringify(shown, (_, item) => plain(item))
    else if (typeof shown === 'object' && shown !== null) toAttributes(shown, `${prefix}${name}.`, to)
  }
  return to
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const isSafe = value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER
    return isSafe ? Number(value) : String(value)
  }
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}
