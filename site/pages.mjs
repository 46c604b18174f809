// How a page of the repository becomes a page of the site: the files that it links to have other places there.
import { join, normalize } from 'node:path/posix'

/** Where files of the repository are in the site; what is not in it becomes plain text. */
function placeOf(path) {
  if (/^docs\/[\w-]+\.md$/.test(path)) return `/${path.slice('docs/'.length)}`
  if (/^docs\/plots\/[\w-]+\.svg$/.test(path)) return path.slice('docs'.length)
  if (/^(README|SECURITY|CONTRIBUTING|CHANGELOG)\.md$/.test(path)) return `/${path.toLowerCase()}`
  if (/^lib\/tools\/[\w-]+\.ts$/.test(path)) return '/examples/tools.md'
  const [, example] = path.match(/^examples\/([\w-]+)\/?$/) ?? []
  return example === undefined ? undefined : `/examples/${example}.md`
}

/** Rewrites the links of a page that is in `folder` of the repository. */
export function toSite(markdown, folder) {
  return outsideOfCode(markdown, (text) =>
    text.replace(/\[([^\]]*)\]\(([^)\s]+)\)/g, (link, label, target) => {
      if (/^(https?:|#|mailto:)/.test(target)) return link
      const [path, anchor] = target.split('#')
      const place = placeOf(normalize(join(folder === '.' ? '' : folder, path)))
      if (place === undefined) return label
      return `[${label}](${place}${anchor === undefined ? '' : `#${anchor}`})`
    }),
  )
}

/** Changes what is not in a code block. */
function outsideOfCode(markdown, change) {
  return markdown
    .split(/^(```[\s\S]*?^```$)/m)
    .map((part, i) => (i % 2 === 0 ? change(part) : part))
    .join('')
}
