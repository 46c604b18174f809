/** The labels of a series, by name. In OpenTelemetry they are attributes. */
export type Labels = Readonly<Record<string, string | number | boolean>>

/** What labels are replaced by when a metric has more series than its limit. */
export const otherLabel = 'other'

/** A string that is the same for equal keys: of numbers, text, bytes, structs and arrays. */
export function identityOf(key: unknown): string | number | bigint {
  if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'string') return key
  if (key === undefined || key === null || typeof key === 'boolean') return String(key)
  return Object.values(key).map(identityOf).join('\0')
}

export function labelsIdentity(labels: Labels): string {
  let text = ''
  for (const name in labels) text += `${name}\0${labels[name]}\0`
  return text
}

export function otherLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.keys(labels).map((name) => [name, otherLabel]))
}
