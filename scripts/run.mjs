// Runs commands for the other scripts. stdout belongs to the program that runs after them (`npm start -- --json`), so
// everything is printed to stderr, and the output of a command only if it fails or with --verbose.
import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const settings = { verbose: false }
export const say = (line) => process.stderr.write(`${line}\n`)

/** A failure that is explained by its message and needs no stack. */
export class Failure extends Error {}

/** Runs a command and returns its output. */
export function run(command, args, options = {}) {
  const line = [command, ...args].join(' ')
  if (settings.verbose) say(`$ ${line}`)
  return new Promise((resolve, reject) => {
    let output = ''
    const child = spawn(command, args, { cwd: root, stdio: ['inherit', 'pipe', 'pipe'], ...options })
    const collect = (chunk) => {
      output += chunk
      if (settings.verbose) process.stderr.write(chunk)
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    child.on('error', (error) => reject(new Failure(`${line}: ${error.message}`)))
    child.on('close', (status, signal) => {
      if (status === 0) return resolve(output)
      const shown = settings.verbose ? '' : `${excerpt(output)}\n`
      reject(new Failure(`${shown}$ ${line}\nended with ${signal ?? `status ${status}`}`))
    })
  })
}

// Errors are usually at the beginning or the end of the output.
function excerpt(output) {
  const lines = output.trimEnd().split('\n')
  return (lines.length > 80 ? [...lines.slice(0, 20), '[...]', ...lines.slice(-60)] : lines).join('\n')
}
