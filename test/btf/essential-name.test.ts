import { expect, it } from 'vitest'
import { essentialName } from '../../lib/btf/essential-name.js'

it.each([
  ['task_struct', 'task_struct'],
  ['task_struct___old', 'task_struct'],
  ['a___b___c', 'a___b'],
  // Three underscores are a flavor's only between other characters.
  ['___x', '___x'],
  ['a____b', 'a____b'],
  ['a___', 'a___'],
])('the name of %s without its flavor is %s', (name, expected) => {
  expect(essentialName(name)).toBe(expected)
})
