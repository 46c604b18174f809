// What the members of keys and events mean. The names are those of ebpf_exporter.
import { readFileSync } from 'node:fs'
import type { Labels } from '@libbpf-node/otel'
import type { Containers } from '@libbpf-node/otel/containers'
import {
  device,
  errorName,
  interfaceName,
  ipAddress,
  type RawAddress,
  signalName,
  systemCallName,
} from 'libbpf-node/format'
import type { DecoderConfig, LabelConfig } from './config/types.js'

export type Scalar = string | number | boolean

/** What decoders need to know about this host. */
export interface DecoderContext {
  readonly containers: Containers | undefined
}

/** A function that makes the labels of keys. */
export function labelsOf(labels: readonly LabelConfig[], context: DecoderContext): (key: unknown) => Labels {
  const parts = labels.map(({ name, member = name, decoders = [] }) => ({
    name,
    member,
    decode: chain(decoders, context),
  }))
  return (key) =>
    Object.fromEntries(parts.map(({ name, member, decode }) => [name, decode(memberOf(key, member))]))
}

/** A function that replaces the members of events by their labels. */
export function eventOf(
  labels: readonly LabelConfig[],
  context: DecoderContext,
): (event: Record<string, unknown>) => Record<string, unknown> {
  if (labels.length === 0) return (event) => event
  const decode = labelsOf(labels, context)
  return (event) => ({ ...event, ...decode(event) })
}

/** The member of a struct. Any other value is returned as it is. */
export function memberOf(value: unknown, name: string): unknown {
  const isStruct =
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  return isStruct ? (value as Record<string, unknown>)[name] : value
}

function chain(decoders: readonly DecoderConfig[], context: DecoderContext): (value: unknown) => Scalar {
  const steps = decoders.map((decoder) => stepOf(decoder, context))
  return (value) => toScalar(steps.reduce((now, step) => step(now), value))
}

function toScalar(value: unknown): Scalar {
  if (typeof value === 'bigint') return value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value === undefined || value === null) return ''
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : JSON.stringify(value)
}

function stepOf(decoder: DecoderConfig, { containers }: DecoderContext): (value: unknown) => unknown {
  const owner = (value: unknown) => (typeof value === 'bigint' ? containers?.get(value) : undefined)
  switch (decoder.name) {
    case 'uint':
    case 'string':
      return (value) => value
    case 'hex':
      return (value) =>
        typeof value === 'number' || typeof value === 'bigint' ? `0x${value.toString(16)}` : value
    case 'static_map': {
      const { static_map: map = {}, allow_unknown: allowUnknown = true } = decoder
      return (value) => map[String(value)] ?? (allowUnknown ? `unknown:${value}` : '')
    }
    case 'inet_ip':
      return address
    case 'cgroup':
      return (value) => owner(value)?.path ?? `unknown:${value}`
    case 'container':
      return (value) => {
        const found = owner(value)
        return found?.container ?? found?.containerId?.slice(0, 12) ?? found?.unit ?? ''
      }
    case 'pod':
      return (value) => owner(value)?.pod ?? owner(value)?.podUid ?? ''
    case 'namespace':
      return (value) => owner(value)?.namespace ?? ''
    case 'image':
      return (value) => owner(value)?.image ?? ''
    case 'pod_label': {
      const { key = '' } = decoder
      return (value) => owner(value)?.labels?.[key] ?? ''
    }
    case 'ifname':
      return remembered((index) => interfaceName(index) ?? String(index))
    case 'majorminor':
      return remembered(deviceName)
    case 'uid':
      return remembered(userName)
    case 'errno':
      return (value) => (Number(value) === 0 ? '' : (errorName(Number(value)) ?? String(value)))
    case 'signal':
      return (value) => signalName(Number(value)) ?? String(value)
    case 'syscall':
      return (value) => systemCallName(Number(value))
    case 'regexp': {
      const patterns = (decoder.regexps ?? []).map((pattern) => new RegExp(pattern))
      return (value) => {
        for (const pattern of patterns) {
          const found = pattern.exec(String(value))
          if (found !== null) return found[1] ?? found[0]
        }
        return ''
      }
    }
  }
}

/** An address. IPv4 in IPv6 is shown as IPv4. */
const address = (value: unknown): string => ipAddress(value as RawAddress).replace(/^::ffff:/, '')

/** The name of a block device; its numbers if it is gone. */
function deviceName(number: number): string {
  const { major, minor, name } = device(number)
  return name ?? `${major}:${minor}`
}

/** Remembers the names of numbers. There are few of them, and finding a name takes time. */
function remembered(find: (value: number) => string): (value: unknown) => string {
  const names = new Map<number, string>()
  return (value) => {
    const number = Number(value)
    const known = names.get(number) ?? find(number)
    names.set(number, known)
    return known
  }
}

let users: Map<number, string> | undefined

function userName(uid: number): string {
  users ??= new Map(
    readText('/etc/passwd')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name = '', , id]) => [Number(id), name]),
  )
  return users.get(uid) ?? String(uid)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
