import type { Block } from './blocks.js'

/**
 * For each block, the last one that control always goes through before it. The blocks are in order, the first one
 * first.
 */
export function dominators(
  blocks: readonly Block[],
  before: ReadonlyMap<Block, readonly Block[]>,
): Map<Block, Block> {
  const index = new Map(blocks.map((block, i) => [block, i]))
  const above = new Map<Block, Block>()
  const meet = (a: Block, b: Block): Block => {
    let [x, y] = [a, b]
    while (x !== y) {
      while (index.get(x)! > index.get(y)!) x = above.get(x)!
      while (index.get(y)! > index.get(x)!) y = above.get(y)!
    }
    return x
  }
  for (let changed = true; changed; ) {
    changed = false
    for (const block of blocks.slice(1)) {
      const known = before.get(block)!.filter((one) => one === blocks[0] || above.has(one))
      const [first, ...others] = known
      if (first === undefined) continue
      const own = others.reduce(meet, first)
      if (above.get(block) === own) continue
      above.set(block, own)
      changed = true
    }
  }
  return above
}
