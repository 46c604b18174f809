/**
 * A pattern in which `*` stands for any text and `?` for one character, in both cases without the characters in
 * `without`.
 */
export function wildcards(pattern: string, { without = '', below = false } = {}): RegExp {
  const any = without === '' ? '.' : `[^${without}]`
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', `${any}*`)
    .replaceAll('?', any)
  return new RegExp(`^${source}${below ? '(?:/|$)' : '$'}`)
}

/**
 * Whether a pattern matches an image, with or without its registry and tag: `nginx` matches
 * docker.io/library/nginx:1.27, too.
 */
export function imageMatcher(pattern: string): (image: string) => boolean {
  const expected = wildcards(pattern)
  return (image) => {
    const withoutTag = image.replace(/@[\w+]+:[0-9a-f]+$/, '').replace(/:[\w.-]+$/, '')
    return [image, withoutTag].some((name) =>
      [name, name.replace(/^docker\.io\/(?:library\/)?/, '')].some((short) => expected.test(short)),
    )
  }
}
