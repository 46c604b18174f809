import type { ErrorObject } from 'ajv'
import { validateConfig, validateProgram } from './validate.js'

/** Something that the schema does not allow. */
export interface Fault {
  /** The path to the value. */
  readonly at: readonly (string | number)[]
  /** A name that should not be there. */
  readonly key?: string
  readonly message: string
}

/** Everything about a value that the schema, or a definition of it, does not allow. */
export function faultsOf(value: unknown, what: 'config' | 'program'): Fault[] {
  const validate = what === 'config' ? validateConfig : validateProgram
  validate(value)
  return (validate.errors ?? []).map(faultOf)
}

function faultOf({ instancePath, keyword, params, message = '', data, parentSchema }: ErrorObject): Fault {
  const at = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
  switch (keyword) {
    case 'additionalProperties': {
      const key = String(params.additionalProperty)
      const known = Object.keys((parentSchema as { properties?: object }).properties ?? {})
      return { at, key, message: `'${key}' is unknown${didYouMean(key, known)}` }
    }
    case 'required':
      return { at, message: `'${params.missingProperty}' is missing` }
    case 'enum': {
      const allowed = (params.allowedValues as unknown[]).map(String)
      return {
        at,
        message: `${show(data)} is not one of ${allowed.join(', ')}${didYouMean(String(data), allowed)}`,
      }
    }
    case 'type':
      return { at, message: `${show(data)} is not ${article(String(params.type))}` }
    case 'pattern': {
      const { description } = parentSchema as { description?: string }
      return {
        at,
        message: `${show(data)} does not fit${description === undefined ? '' : `. ${description}`}`,
      }
    }
    default:
      return { at, message: `${show(data)} ${message}` }
  }
}

export function explainFault({ at, message }: Fault): string {
  const path = at.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('')
  return path === '' ? message : `${path.replace(/^\./, '')}: ${message}`
}

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

const article = (types: string): string =>
  types
    .split(',')
    .map((type) => `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`)
    .join(' or ')

/** The most similar name, if one is similar enough to be what was meant. */
export function didYouMean(word: string, names: readonly string[]): string {
  const [best] = names
    .map((name) => ({ name, distance: distance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance)
  if (best !== undefined) return `: did you mean ${best.name}?`
  return names.length > 0 && names.length <= 16 ? `; known are ${names.join(', ')}` : ''
}

/** How many characters have to be inserted, removed or replaced (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
