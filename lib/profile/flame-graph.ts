import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../native/package-root.js'
import type { Profile, ProfileInfo } from './profile.js'
import type { Sample } from './sample.js'
import { hottest, type TreeNode, treeOf } from './tree.js'

/** Options for {@link Profile.flameGraph}. */
export interface FlameGraphOptions {
  /** The heading of the page. */
  title?: string
  /**
   * An earlier profile to compare with: frames that have grown since then are red, and those that have shrunk are blue.
   */
  compareTo?: Profile
}

/** In the order that the page expects. */
const kinds: readonly TreeNode['kind'][] = ['root', 'thread', 'kernel', 'native', 'jit', 'unknown', 'inlined']
/** How many functions the table on the page has. */
const tableSize = 100

type Packed = [
  name: number,
  module: number,
  kind: number,
  total: number,
  self: number,
  before: number,
  children: Packed[],
]

export function flameGraph(
  samples: readonly Sample[],
  info: ProfileInfo,
  { title, compareTo }: FlameGraphOptions = {},
): string {
  const texts: string[] = []
  const known = new Map<string, number>()
  const textNumber = (text: string): number => {
    let number = known.get(text)
    if (number === undefined) {
      number = texts.push(text) - 1
      known.set(text, number)
    }
    return number
  }
  const pack = ({ name, module, kind, total, self, before, children }: TreeNode): Packed => [
    textNumber(name),
    textNumber(module),
    kinds.indexOf(kind),
    total,
    self,
    Math.round(before),
    // What no longer exists has no width.
    [...children.values()].filter((child) => child.total > 0).map(pack),
  ]
  const root = pack(treeOf(samples, compareTo?.samples))
  const functions = hottest(samples)
    .slice(0, tableSize)
    .map(({ name, module, self, total }) => [self, total, textNumber(name), textNumber(module)])
  const unit = info.kind === 'cpu' ? 'samples' : 'nanoseconds'
  const data = { unit, compares: compareTo !== undefined, texts, root, functions }
  const values = {
    title: asHtml(title ?? (info.kind === 'cpu' ? 'Flame graph' : 'Flame graph of waiting time')),
    summary: asHtml(summaryOf(samples, info, compareTo)),
    // Names of functions can contain anything, even the end of the script.
    data: JSON.stringify(data).replaceAll('<', '\\u003c'),
  }
  const page = readFileSync(join(packageRoot(), 'dist/lib/profile/flame-graph.html'), 'utf8')
  return page.replace(/\{\{(title|summary|data)\}\}/g, (_, name: keyof typeof values) => values[name])
}

function summaryOf(samples: readonly Sample[], info: ProfileInfo, compareTo: Profile | undefined): string {
  const total = samples.reduce((sum, { value }) => sum + value, 0)
  const what =
    info.hz === undefined ? `${(total / 1e9).toFixed(2)} s of waiting` : `${total} samples at ${info.hz} Hz`
  const when = `${info.seconds.toFixed(1)} s from ${info.began.toISOString()}`
  const compared =
    compareTo === undefined ? '' : `, compared with a profile from ${compareTo.info.began.toISOString()}`
  return `${what} in ${when}${compared}`
}

const asHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
