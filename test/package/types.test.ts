// Compiles a user's program with the declarations of the package. npm run test:types does so with other compilers.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

it('a user program compiles with moduleResolution node16 and bundler', () => {
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    ['scripts/test-types.mjs', '--typescript', 'installed'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  )
  expect({ status, stdout, stderr }).toMatchObject({ status: 0 })
  expect(stderr.match(/: ok/g)).toHaveLength(2)
})
