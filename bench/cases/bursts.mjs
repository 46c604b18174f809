// The same as cpu.mjs, but in bursts, as most events arrive.
export { bpf, trial, trials } from './cpu.mjs'

export const c = 'cpu'
export const args = ({ quick, producerCpu }) => [producerCpu, quick ? 200_000 : 1_000_000, 100, 1_000_000]
export const metrics = {
  seconds: { title: '100,000 events per second, 100 every ms: drain(), CPU time', unit: 's', ratio: 2 },
}
