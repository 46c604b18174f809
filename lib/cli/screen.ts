import { columns, print } from './output.js'

/** The alternate screen of a terminal, redrawn for every text and when its size changes. */
export class Screen {
  #text = ''
  readonly #onResize = (): void => this.#paint()

  constructor(signal: AbortSignal) {
    // Switches to the alternate screen and hides the cursor.
    print('\x1b[?1049h\x1b[?25l')
    process.stdout.on('resize', this.#onResize)
    signal.addEventListener('abort', () => process.stdout.off('resize', this.#onResize))
  }

  draw(text: string): void {
    this.#text = text
    this.#paint()
  }

  #paint(): void {
    // Some terminals report 0.
    const rows = process.stdout.rows || 24
    const lines = this.#text
      .split('\n')
      .slice(0, rows - 1)
      // What has colors was drawn for the width of the terminal.
      .map((line) => (line.includes('\x1b') ? line : line.slice(0, columns())))
    // Draws from the top and erases the rest of each old line.
    print(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\n')}\x1b[J`)
  }

  close(): void {
    process.stdout.off('resize', this.#onResize)
    print('\x1b[?25h\x1b[?1049l')
  }
}
