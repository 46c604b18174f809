import { type FSWatcher, watch as watchFolder } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { exitCodes, say } from './command.js'

/** Editors write a file in several steps, so a change counts when nothing has happened for this long. */
const settleMs = 50

/**
 * Runs `work`, which returns the files that it has read, and runs it again whenever one of them changes, until SIGINT
 * or SIGTERM. If it fails, prints why and waits for a change of the files that were known before.
 */
export async function watch(work: () => Promise<readonly string[]>): Promise<number> {
  const watcher = new Watcher()
  const end = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  let isOver = false
  void end.then(() => {
    isOver = true
  })
  while (!isOver) {
    try {
      watcher.follow(await work())
    } catch (error) {
      // If no file is known, there is nothing to wait for.
      if (!watcher.follows) throw error
      say(`libbpf-node: ${(error as Error).message}`)
    }
    say('watching for changes; press Ctrl-C to stop')
    await Promise.race([watcher.change(), end])
  }
  watcher.close()
  return exitCodes.ok
}

/** Watches folders instead of files, because editors replace a file with a new one. */
class Watcher {
  #files = new Set<string>()
  readonly #folders = new Map<string, FSWatcher>()
  #changed = (): void => {}

  get follows(): boolean {
    return this.#files.size > 0
  }

  follow(files: readonly string[]): void {
    this.#files = new Set(files.map((file) => resolve(file)))
    const folders = new Set([...this.#files].map((file) => dirname(file)))
    for (const [folder, watcher] of this.#folders) {
      if (folders.has(folder)) continue
      watcher.close()
      this.#folders.delete(folder)
    }
    for (const folder of folders) {
      if (this.#folders.has(folder)) continue
      const watcher = watchFolder(folder, (_event, name) => {
        if (name !== null && this.#files.has(resolve(folder, basename(name)))) this.#changed()
      })
      this.#folders.set(folder, watcher)
    }
  }

  /** Resolves after one of the files has changed. */
  change(): Promise<void> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined
      this.#changed = () => {
        clearTimeout(timer)
        timer = setTimeout(resolve, settleMs)
      }
    })
  }

  close(): void {
    for (const watcher of this.#folders.values()) watcher.close()
  }
}
