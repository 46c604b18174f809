import { styleText } from 'node:util'
import { type ActivityEvent, type Kind, kinds } from './events.js'
import {
  columns,
  detail,
  duration,
  failed,
  narrow,
  type Summary,
  summaryLine,
  titles,
  wide,
} from './format.js'
import type { Output } from './lines.js'

// Switches to the alternate screen without cursor and line wrapping, and back.
const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l'
// Terminals that know these draw everything between them at once. Others ignore them.
const beginFrame = '\x1b[?2026h\x1b[H'
const endFrame = '\x1b[J\x1b[?2026l'
// Erases the line before the new text. After it, it would erase the last column of a full line.
const eraseLine = '\x1b[K'

const colors = { exec: 'green', exit: 'magenta', open: 'blue', connect: 'cyan' } as const
const colored = !process.env.NO_COLOR
const paint = (style: Parameters<typeof styleText>[0], text: string) =>
  colored ? styleText(style, text) : text

interface Row {
  order: number
  event: ActivityEvent
}

/** A live view that fills the terminal. */
export class Screen implements Output {
  readonly #started = performance.now()
  readonly #recent: Record<Kind, Row[]> = { exec: [], exit: [], open: [], connect: [] }
  readonly #counts: Record<Kind, number> = { exec: 0, exit: 0, open: 0, connect: 0 }
  #countsBefore = { ...this.#counts }
  #rates = { ...this.#counts }
  #order = 0
  #lost = 0
  #on = false
  readonly #timers: NodeJS.Timeout[]

  constructor() {
    this.#timers = [
      setInterval(() => this.#measure(), 1000),
      // Fast enough to look live, slow enough to be readable.
      setInterval(() => this.#draw(), 200),
    ]
    process.stdout.on('resize', () => this.#draw())
    // The terminal is restored in any case: before an error is printed, at exit, and when Ctrl-Z stops us.
    process.on('uncaughtExceptionMonitor', () => this.#leave())
    process.on('exit', () => this.#leave())
    process.on('SIGTSTP', () => {
      this.#leave()
      process.kill(process.pid, 'SIGSTOP')
    })
    process.on('SIGCONT', () => this.#enter())
    this.#enter()
  }

  event(event: ActivityEvent): void {
    this.#counts[event.kind]++
    const rows = this.#recent[event.kind]
    rows.push({ order: this.#order++, event })
    // Not for each event, because it moves the whole array.
    if (rows.length > 2000) rows.splice(0, 1000)
  }

  lost(count: number): void {
    this.#lost = count
  }

  end(summary: Summary): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#leave()
    process.stdout.write(summaryLine(summary))
  }

  #enter(): void {
    if (this.#on) return
    this.#on = true
    process.stdout.write(enter)
    this.#draw()
  }

  #leave(): void {
    if (!this.#on) return
    this.#on = false
    process.stdout.write(leave)
  }

  #measure(): void {
    for (const kind of kinds) this.#rates[kind] = this.#counts[kind] - this.#countsBefore[kind]
    this.#countsBefore = { ...this.#counts }
  }

  /** Draws a frame with one write, each line over the previous one, so that nothing flickers. */
  #draw(): void {
    if (!this.#on) return
    // Some terminals do not know their size.
    const width = process.stdout.columns || 80
    const height = process.stdout.rows || 24
    const layout = width >= 110 ? wide : narrow
    const lines = [
      this.#header(width),
      paint('inverse', `${titles(layout)}DETAIL`.padEnd(width).slice(0, width)),
      ...this.#fit(height - 2).map((event) => {
        const start = columns(event, layout)
        const end = detail(event, width - start.length)
        const line = failed(event) ? start + paint('red', end) : start + end
        return line.replace(event.kind, paint(colors[event.kind], event.kind))
      }),
    ]
    const frame = lines.slice(0, height).map((line) => eraseLine + line)
    process.stdout.write(beginFrame + frame.join('\r\n') + endFrame)
  }

  #header(width: number): string {
    const parts = kinds.map((kind) => `${kind} ${this.#counts[kind]} (${this.#rates[kind]}/s)`)
    parts.push(
      `lost ${this.#lost}`,
      duration(performance.now() - this.#started).replace(/\.\d+/, ''),
      'Ctrl-C to stop',
    )
    let header = ''
    for (const part of parts) {
      const longer = header === '' ? part : `${header}   ${part}`
      if (longer.length > width) break
      header = longer
    }
    return header
  }

  /**
   * Returns the latest events, oldest first. There are hundreds of opened files for each process that starts, so half
   * of the lines are reserved for other events.
   */
  #fit(lines: number): ActivityEvent[] {
    if (lines <= 0) return []
    const { open, ...rest } = this.#recent
    const opens = open.slice(-lines)
    const others = Object.values(rest).flat().sort(byOrder).slice(-lines)
    const kept = Math.min(others.length, Math.max(Math.floor(lines / 2), lines - opens.length))
    return [...others.slice(others.length - kept), ...opens.slice(-(lines - kept) || opens.length)]
      .sort(byOrder)
      .map((row) => row.event)
  }
}

const byOrder = (a: Row, b: Row) => a.order - b.order
