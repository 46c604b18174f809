// Checks that every link inside of the built site leads to a page, and to an anchor of it, and that images exist.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { files } from '../scripts/files.mjs'

/** What is wrong, a line for each link. */
export function brokenLinks(dist) {
  const pages = new Map()
  const load = (path) => {
    if (!pages.has(path)) pages.set(path, existsSync(path) ? readFileSync(path, 'utf8') : undefined)
    return pages.get(path)
  }
  const broken = new Set()
  for (const page of files(dist, /\.html$/)) {
    for (const [, href] of load(page).matchAll(/<(?:a [^>]*href|img [^>]*src)="([^"]+)"/g)) {
      if (/^(https?:|mailto:|data:)/.test(href)) continue
      const [path, anchor] = decodeURIComponent(href).replaceAll('&amp;', '&').split('#')
      const target = path === '' ? page : path.startsWith('/') ? join(dist, path) : join(dirname(page), path)
      const file = target.endsWith('/') || target === dist ? join(target, 'index.html') : target
      const text = load(file)
      if (text === undefined) broken.add(`${relative(dist, page)}: there is no ${href}`)
      else if (anchor && !text.includes(`id="${anchor}"`))
        broken.add(`${relative(dist, page)}: there is no anchor ${href}`)
    }
  }
  return [...broken]
}
