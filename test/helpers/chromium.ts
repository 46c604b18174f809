// A real browser for pages that this library writes, without its window.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

interface Message {
  id?: number
  method?: string
  params?: Record<string, unknown>
  result?: Record<string, unknown>
  error?: { message: string }
}

/** A page in Chromium, controlled by its DevTools protocol over pipes. */
export class Chromium implements AsyncDisposable {
  /** Errors and warnings of the page's console. */
  readonly complaints: string[] = []
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #waiting = new Map<number, (message: Message) => void>()
  readonly #events = new Map<string, () => void>()
  #session: string | undefined
  #last = 0

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child
    this.#folder = folder
    let rest = ''
    const output = child.stdio[4] as Readable
    output.setEncoding('utf8').on('data', (text: string) => {
      const messages = `${rest}${text}`.split('\0')
      rest = messages.pop()!
      for (const message of messages) this.#receive(JSON.parse(message) as Message)
    })
  }

  static async start(): Promise<Chromium> {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-chromium-'))
    const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
    const child = spawn('chromium', [...flags, `--user-data-dir=${folder}`, '--remote-debugging-pipe'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    })
    const browser = new Chromium(child, folder)
    const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true })
    browser.#session = sessionId as string
    for (const domain of ['Page', 'Runtime', 'Log']) await browser.send(`${domain}.enable`)
    return browser
  }

  #receive({ id, method, params, ...rest }: Message): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.(rest)
      this.#waiting.delete(id)
    }
    const text = JSON.stringify(params)
    if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded') this.complaints.push(text)
    if (method === 'Runtime.consoleAPICalled' && /^"?(error|warning)/.test(String(params?.type)))
      this.complaints.push(text)
    if (method !== undefined) this.#events.get(method)?.()
  }

  async send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#last
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve))
    const session = this.#session === undefined ? {} : { sessionId: this.#session }
    const input = this.#child.stdio[3] as Writable
    input.write(`${JSON.stringify({ id, method, params, ...session })}\0`)
    const { result, error } = await answer
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result ?? {}
  }

  /** Opens a page with a window of some size. */
  async open(url: string, width: number, scheme: 'light' | 'dark'): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', {
      width,
      height: 800,
      deviceScaleFactor: 1,
      mobile: false,
    })
    await this.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: scheme }],
    })
    const loaded = new Promise<void>((resolve) => this.#events.set('Page.loadEventFired', resolve))
    await this.send('Page.navigate', { url })
    await loaded
    // The first picture.
    await this.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
  }

  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    })) as { result: { value: T }; exceptionDetails?: unknown }
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return result.value
  }

  /** Presses keys one after the other: names such as `ArrowDown`, or characters. */
  async press(...keys: string[]): Promise<void> {
    const codes: Record<string, number> = {
      Tab: 9,
      Enter: 13,
      Escape: 27,
      ArrowLeft: 37,
      ArrowUp: 38,
      ArrowRight: 39,
      ArrowDown: 40,
    }
    for (const key of keys) {
      const text = key.length === 1 ? { text: key } : {}
      const event = { key, windowsVirtualKeyCode: codes[key] ?? key.toUpperCase().charCodeAt(0), ...text }
      await this.send('Input.dispatchKeyEvent', { type: 'keyDown', ...event })
      await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close')
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
