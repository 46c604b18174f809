// What links are attached to, in a few words.
import { readdirSync, statSync } from 'node:fs'
import { hardware, software } from '../attach/perf-event-attr.js'
import { Btf } from '../btf/btf.js'
import type { BtfTypes } from '../btf/parse.js'
import { cgroupPath, interfaceName } from '../format/names.js'
import { mapInfo, programInfo } from '../kernel/inventory.js'
import { isGone, type LinkInfo } from '../links/link-info.js'
import { kernelTypes } from '../machine/kernel-types.js'

const families: Readonly<Record<number, string>> = { 2: 'ip', 10: 'ip6' }
const netfilterHooks = ['prerouting', 'input', 'forward', 'output', 'postrouting']

/** Describes the target of a link by the names of functions, interfaces, cgroups and the like. */
export function targetOf(info: LinkInfo): string {
  const words = isGone(info) ? [attachTypeOf(info), 'gone'] : wordsOf(info)
  return words.filter((word) => word !== undefined && word !== '').join(' ')
}

const attachTypeOf = (info: LinkInfo): string | undefined =>
  'attachType' in info ? info.attachType : undefined

function wordsOf(info: LinkInfo): (string | undefined)[] {
  switch (info.type) {
    case 'raw_tracepoint':
      return [info.name]
    case 'tracing':
      return [info.attachType, functionName(info.targetObjectId, info.targetBtfId)]
    case 'cgroup':
      return [info.attachType, `cgroup ${cgroupPath(info.cgroupId) ?? info.cgroupId}`]
    case 'iter':
      return [
        info.name,
        info.mapId === undefined ? undefined : mapName(info.mapId),
        info.cgroupId ? `cgroup ${cgroupPath(info.cgroupId) ?? info.cgroupId}` : undefined,
      ]
    case 'netns':
      return [info.attachType, `netns ${netnsName(info.netnsInode) ?? info.netnsInode}`]
    case 'xdp':
      return [interfaceWords(info.ifindex)]
    case 'tcx':
    case 'netkit':
      return [info.attachType, interfaceWords(info.ifindex)]
    case 'perf_event':
      return perfEventWords(info)
    case 'kprobe_multi':
      return [info.count === 1 ? '1 function' : `${info.count} functions`]
    case 'uprobe_multi':
      return [info.path, info.count === 1 ? '1 function' : `${info.count} functions`]
    case 'struct_ops':
      return [mapName(info.mapId)]
    case 'sockmap':
      return [info.attachType, mapName(info.mapId)]
    case 'netfilter':
      return [
        families[info.protocolFamily] ?? `family ${info.protocolFamily}`,
        netfilterHooks[info.hook] ?? `hook ${info.hook}`,
        `priority ${info.priority}`,
      ]
    default:
      return []
  }
}

function perfEventWords(info: Extract<LinkInfo, { type: 'perf_event' }>): (string | undefined)[] {
  switch (info.event) {
    case 'tracepoint':
      return [info.name]
    case 'kprobe':
    case 'kretprobe':
      return [info.name === '' ? `0x${info.address.toString(16)}` : withOffset(info.name, info.offset)]
    case 'uprobe':
    case 'uretprobe':
      return [withOffset(info.name, info.offset)]
    case 'event': {
      const names: readonly (readonly string[])[] = [hardware, software]
      const known = names[info.perfType]?.[Number(info.perfConfig)]
      return [known ?? (info.perfType === 5 ? 'breakpoint' : `event ${info.perfType}:${info.perfConfig}`)]
    }
    default:
      return []
  }
}

const withOffset = (name: string, offset: number): string =>
  offset === 0 ? name : `${name}+0x${offset.toString(16)}`

const interfaceWords = (ifindex: number): string => `interface ${interfaceName(ifindex) ?? ifindex}`

function mapName(id: number): string {
  return `map ${orUndefined(() => mapInfo(id).name) || id}`
}

/** The function that a tracing program is attached to: of the kernel, of a module, or of another program. */
function functionName(objectId: number, typeId: number): string | undefined {
  if (objectId === 0 || typeId === 0) return undefined
  return (
    orUndefined(() => {
      const { isKernel, name } = Btf.info(objectId)
      if (isKernel && name === 'vmlinux') return nameIn(kernelTypes(), typeId)
      using btf = Btf.fromId(objectId)
      return nameIn(btf.types, typeId)
    }) ?? orUndefined(() => `program ${programInfo(objectId).name}`)
  )
}

function nameIn(types: BtfTypes | undefined, id: number): string | undefined {
  const type = types?.type(id)
  return type !== undefined && 'name' in type ? type.name.replace(/^btf_trace_/, '') : undefined
}

/** The name that `ip netns` gives to a namespace. */
function netnsName(inode: number): string | undefined {
  const folder = '/run/netns'
  return orUndefined(() =>
    readdirSync(folder).find((name) => orUndefined(() => statSync(`${folder}/${name}`).ino) === inode),
  )
}

/** What `read` looks for may be gone, or hidden from this process. */
function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
