/** The labels of a series, by name. In OpenTelemetry they are attributes. */
export type Labels = Readonly<Record<string, string | number | boolean>>

/** What labels are replaced by when a metric has more series than its limit. */
export const otherLabel = 'other'

/** A value that is the same for equal keys: of numbers, text, bytes, structs and arrays. */
export function identityOf(key: unknown): string | number | bigint {
  if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'string') return key
  if (typeof key !== 'object' || key === null) return String(key)
  if (key instanceof Uint8Array) return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
  // Thousands of keys come here each time that a map is read.
  const struct = key as Record<string, unknown>
  let text = ''
  for (const name in struct) text += `${identityOf(struct[name])}\0`
  return text
}

export function labelsIdentity(labels: Labels): string {
  let text = ''
  for (const name in labels) text += `${name}\0${labels[name]}\0`
  return text
}

export function otherLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.keys(labels).map((name) => [name, otherLabel]))
}
