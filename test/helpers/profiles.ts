// Profiles that were not taken, for tests of what is made of profiles.
import type { Frame, ProfileInfo, Sample } from 'libbpf-node/symbols'

export const frame = (name: string | undefined, kind: Frame['kind'], module: string): Frame => ({
  address: 0x1000n,
  name,
  offset: 0,
  kind,
  module,
})

export const main = frame('main', 'file', '/bin/shop')
export const sell = frame('sell', 'file', '/bin/shop')

export const sample = (value: number, ...frames: Frame[]): Sample => ({
  pid: 7,
  comm: 'shop',
  frames,
  value,
})

export const info: ProfileInfo = {
  kind: 'cpu',
  hz: 100,
  began: new Date('2026-01-02T03:04:05Z'),
  seconds: 2,
  lost: { samples: 0, stacks: 0 },
  kernelProblem: undefined,
}
