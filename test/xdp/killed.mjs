// Adds a program to a dispatcher, and is killed between pinning the new dispatcher and attaching it.
import { readFileSync } from 'node:fs'

const { dlopen } = process
process.dlopen = (module, ...rest) => {
  dlopen.call(process, module, ...rest)
  module.exports = { ...module.exports, xdpReplace: () => process.kill(process.pid, 'SIGKILL') }
}
const { BpfObject } = await import('libbpf-node')
const { XdpDispatcher } = await import('libbpf-node/xdp')

const [interfaceName, bpffs, file] = process.argv.slice(2)
const object = BpfObject.open(readFileSync(file))
await new XdpDispatcher(interfaceName, { bpffs }).attach(object.program('count'))
