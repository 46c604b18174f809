import { plain } from './output.js'

export type Attributes = Record<string, string | number | boolean>

/** Adds the members of an event to attributes. Those of structs have names such as `address.port`. */
export function attributesOf(body: Record<string, unknown>, prefix = '', to: Attributes = {}): Attributes {
  for (const name in body) {
    const shown = plain(name, body[name])
    switch (typeof shown) {
      case 'string':
      case 'number':
      case 'boolean':
        to[prefix + name] = shown
        break
      case 'object':
        if (Array.isArray(shown)) to[prefix + name] = JSON.stringify(shown, plain)
        else if (shown !== null) attributesOf(shown as Record<string, unknown>, `${prefix}${name}.`, to)
    }
  }
  return to
}
