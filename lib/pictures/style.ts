/** What a terminal can show. */
export interface PictureStyle {
  /** Characters in a line. */
  readonly width: number
  /** Whether there are block characters; otherwise pictures consist of ASCII characters. */
  readonly unicode: boolean
  /** Whether escape sequences for colors work. */
  readonly color: boolean
}

type Output = Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>
type Environment = Readonly<Record<string, string | undefined>>

/** Whether colors are wanted: on a terminal, unless `NO_COLOR` is set. */
export function wantsColor(output: Output = process.stdout, env: Environment = process.env): boolean {
  return output.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
}

/** What an output can show: its width, or 80, its colors, and Unicode if the locale's encoding is UTF-8. */
export function styleOf(output: Output = process.stdout, env: Environment = process.env): PictureStyle {
  // As setlocale() does: the first that is not empty decides.
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || ''
  return {
    // Some terminals report 0.
    width: output.columns || 80,
    unicode: /utf-?8/i.test(locale) && env.TERM !== 'dumb' && env.TERM !== 'linux',
    color: wantsColor(output, env),
  }
}
