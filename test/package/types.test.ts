// What a user's compiler makes of the package's declarations: with the compiler that built it here, with others in npm run test:types.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

it('is understood with moduleResolution node16 and bundler', () => {
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
