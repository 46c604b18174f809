import { plain } from './output.js'

/** The members of an event as attributes. Those of structs have names such as `address.port`. */
export function attributesOf(
  body: Record<string, unknown>,
  prefix = '',
): Record<string, string | number | boolean> {
  const attributes: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(body)) {
    const shown = plain(name, value)
    if (typeof shown === 'string' || typeof shown === 'number' || typeof shown === 'boolean')
      attributes[prefix + name] = shown
    else if (Array.isArray(shown)) attributes[prefix + name] = JSON.stringify(shown, plain)
    else if (typeof shown === 'object' && shown !== null)
      Object.assign(attributes, attributesOf(shown as Record<string, unknown>, `${prefix}${name}.`))
  }
  return attributes
}
