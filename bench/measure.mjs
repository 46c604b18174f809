// Code that the cases share.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const now = () => Number(process.hrtime.bigint())

/** Sorts the values. */
export function quantile(values, q) {
  values.sort((a, b) => a - b)
  return values[Math.round(q * (values.length - 1))]
}
export const median = (values) => quantile(values, 0.5)

/**
 * Starts bench/c/produce.c. The producer never runs in the reader's process, so that it does not wait for the reader.
 */
export function produce(program, cpu, count, batch, interval) {
  const path = fileURLToPath(new URL('../build/bench/produce', import.meta.url))
  const args = [cpu, count, batch, interval].map(String)
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'inherit', program.fd] })
  child.unref()
  return child
}

/** Makes the program send `count` events now. */
export function emit(program, count) {
  const context = new Uint8Array(8)
  new DataView(context.buffer).setBigUint64(0, BigInt(count), true)
  const { retval } = program.testRunSync({ context })
  if (retval !== count) throw new Error(`the ring took ${retval} of ${count} events`)
}
