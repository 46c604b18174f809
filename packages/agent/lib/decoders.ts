// What the members of keys and events mean. The names are those of ebpf_exporter.
import { readFileSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import type { Labels } from '@libbpf-node/otel'
import type { Containers } from '@libbpf-node/otel/containers'
import type { DecoderConfig, LabelConfig } from './config/types.js'
import { interfaceName } from './interfaces.js'

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

/** The member of a struct. Another value has none, and is meant itself. */
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
    case 'ifname':
      return (value) => interfaceName(Number(value))
    case 'majorminor':
      return (value) => device(Number(value))
    case 'uid':
      return (value) => userName(Number(value))
    case 'errno':
      return (value) => (Number(value) === 0 ? '' : errorName(Math.abs(Number(value))))
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

/** An address from its bytes, or from numbers of 32 bits as the network's byte order makes them: one or four. */
function address(value: unknown): string {
  const bytes = value instanceof Uint8Array ? value : bytesOf([value].flat().map(Number))
  if (bytes.length === 4) return bytes.join('.')
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16))
  const isMapped = words.slice(0, 5).every((word) => word === '0') && words[5] === 'ffff'
  if (isMapped) return bytes.subarray(12, 16).join('.')
  // Shortens the zeros.
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1)
}

const bytesOf = (words: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer)

const devices = new Map<number, string>()

/** The name of a block device, whose number is its major number shifted by 20 bits, or its minor number. */
function device(number: number): string {
  let name = devices.get(number)
  if (name === undefined) {
    const text = `${number >>> 20}:${number & 0xfffff}`
    name = /^DEVNAME=(.*)$/m.exec(readText(`/sys/dev/block/${text}/uevent`))?.[1] ?? text
    devices.set(number, name)
  }
  return name
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

function errorName(errno: number): string {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return String(errno)
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
