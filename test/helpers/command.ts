import { spawnSync } from 'node:child_process'

/** Whether a program is installed. */
export const isHere = (program: string): boolean =>
  spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0
