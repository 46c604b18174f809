// The same as rings.mjs, with one ring.
export { choose, floor, object, trial, unit } from './rings.mjs'

export const title = 'Waking up, at several rates'
export const x = 'wake-ups per second'
export const points = [100, 1000, 10_000]
export const quick = [1000]
export const args = (rate, { isQuick, producerCpu }) => [1, producerCpu, rate * (isQuick ? 1 : 2), 1e9 / rate]
