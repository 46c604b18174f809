// The page of the flame graph in a real browser.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Frame, Profile } from 'libbpf-node/symbols'
import { describe, expect, it } from 'vitest'
import { useFolder } from '../codegen/helper.js'
import { Chromium } from '../helpers/chromium.js'
import { isHere } from '../helpers/command.js'
import { frame, info, main, sample, sell } from '../helpers/profiles.js'

const folder = useFolder()
const price: Frame = {
  ...frame('shop::Price<std::vector<double>>::compute(unsigned long, double) const', 'file', '/bin/shop'),
  isInlined: true,
}
const kinds = [
  frame('vfs_read', 'kernel', '[kernel]'),
  frame('JS:*render /app/page.js:10:3', 'jit', '[jit]'),
  frame(undefined, 'unknown', '/lib/libx.so'),
  price,
]
const profile = new Profile([...kinds.map((one) => sample(10, one, sell, main)), sample(60, main)], info)
const earlier = new Profile([sample(50, kinds[0]!, sell, main), sample(50, main)], info)

/** How many times brighter the text is than what is behind it, or the reverse, as WCAG defines it. */
const contrasts = `[...document.querySelectorAll('.frame')].map((frame) => {
  const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
  const luminance = (color) => {
    context.fillStyle = color
    context.fillRect(0, 0, 1, 1)
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((part) => {
      const c = part / 255
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const { color, backgroundColor } = getComputedStyle(frame)
  const [dark, light] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
})`

describe('the page of a flame graph', () => {
  const title = `can be read and used in Chromium${isHere('chromium') ? '' : ' (chromium is not installed)'}`
  it.skipIf(!isHere('chromium'))(title, { timeout: 120_000 }, async () => {
    const write = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text)
      return pathToFileURL(join(folder, name)).href
    }
    const page = write('page.html', profile.flameGraph({ title: 'Shop' }))
    const changes = write('changes.html', profile.flameGraph({ compareTo: earlier }))
    await using browser = await Chromium.start()
    for (const url of [page, changes]) {
      for (const width of [390, 1280]) {
        for (const scheme of ['light', 'dark'] as const) {
          const where = `${url} ${width} ${scheme}`
          await browser.open(url, width, scheme)
          const scrolls = await browser.evaluate<number>('document.documentElement.scrollWidth')
          expect(scrolls, where).toBeLessThanOrEqual(width)
          const frames = await browser.evaluate<number>("document.querySelectorAll('.frame').length")
          expect(frames, where).toBe(8)
          const size = await browser.evaluate<string>(
            "getComputedStyle(document.querySelector('.frame')).fontSize",
          )
          expect(Number.parseInt(size, 10)).toBeGreaterThanOrEqual(12)
          expect(Math.min(...(await browser.evaluate<number[]>(contrasts))), where).toBeGreaterThan(4.5)
        }
      }
    }
    expect(await browser.evaluate<string>("document.getElementById('legend').textContent")).toBe(
      'more than beforeless than before',
    )

    await browser.open(page, 390, 'light')
    expect(await browser.evaluate<string>("document.getElementById('legend').textContent")).toContain(
      'inlined into its caller',
    )
    const details = () => browser.evaluate<string>("document.getElementById('details').textContent")
    const focus = () => browser.evaluate<string>('document.activeElement.id')
    await browser.press('Tab')
    expect(await focus()).toBe('search')
    await browser.press('Tab')
    expect(await focus()).toBe('graph')
    await browser.press('ArrowDown', 'ArrowDown', 'ArrowDown')
    expect(await details()).toBe('sell40.00 %, 40 samples · /bin/shop')
    await browser.press('ArrowDown', 'ArrowRight')
    expect(await details()).toContain('10.00 %, 10 samples')
    await browser.press('ArrowUp', 'Enter')
    const widthOf = (name: string) =>
      browser.evaluate<number>(
        `[...document.querySelectorAll('.frame')].find((one) => one.textContent === '${name}').offsetWidth`,
      )
    expect(await widthOf('sell')).toBe(await browser.evaluate('document.getElementById("graph").clientWidth'))
    await browser.press('Escape')
    expect(await widthOf('sell')).toBeLessThan(200)
    await browser.press('/', 'v', 'f', 's')
    expect(await focus()).toBe('search')
    const matches = await browser.evaluate<string>("document.getElementById('matches').textContent")
    expect(matches).toBe('1 function, 10.00 %')
    expect(browser.complaints).toEqual([])
  })
})
