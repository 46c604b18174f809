// The lines of a log: records of a ring, and what BTF and .rodata.node_logs say about the places that wrote them.
import type { Codec } from '../btf/codec.js'
import type { BtfTypes } from '../btf/parse.js'
import type { BtfDatasec } from '../btf/types.js'
import { BpfError } from '../errors/errors.js'
import { ktimeToDate } from '../format/time.js'
import type { BpfObject } from '../objects/object.js'
import { type LogLevel, levelOf } from './levels.js'
import { message } from './message.js'
import { valueNames } from './value-names.js'

const section = '.rodata.node_logs'

/** A line that a program logged. */
export interface LogLine {
  level: LogLevel
  /** The text, with the values in it. */
  message: string
  /** The values by name, as in `{ comm: 'cat', flags: 32768 }`. The type in C decides what they are. */
  values: Record<string, unknown>
  /** The names of those values that the text has no placeholder for. */
  unmentioned: string[]
  /** The name of the object. */
  object: string
  /** The place in the source. */
  file: string
  line: number
  function: string
  /** When it was logged, and on which CPU. */
  time: Date
  cpu: number
}

/** A place in the source that logs. */
interface Site {
  readonly level: LogLevel
  readonly file: string
  readonly line: number
  readonly function: string
  readonly format: string
  readonly names: readonly string[]
  readonly record: Codec<Record<string, unknown>>
}

/** Reads the lines of one object. */
export class LineReader {
  readonly #object: string
  readonly #types: BtfTypes
  readonly #bytes: Uint8Array
  readonly #base: number
  readonly #variables: ReadonlyMap<number, number>
  readonly #sites = new Map<number, Site>()

  constructor(object: BpfObject) {
    const found = object.types.find(section, 'datasec')
    const bytes = object.maps.get(section)?.initialValue
    if (found === undefined || bytes === undefined || !object.maps.has('node_logs')) {
      throw new BpfError(
        `object '${object.name}' does not log: it has no line with LIBBPF_NODE_LOGS(...) and libbpf_node_log(...)`,
        { code: 'ERR_BPF_NOT_FOUND', object: object.name },
      )
    }
    this.#object = object.name
    this.#types = object.types
    this.#bytes = bytes
    this.#base = baseOf(object.types, found)
    this.#variables = new Map(found.variables.map(({ offset, typeId }) => [offset, typeId]))
  }

  /** @param view - the ring's memory; the record starts at `offset` */
  read(view: DataView, offset: number, length: number): LogLine {
    const { littleEndian } = this.#types
    const site = this.#siteAt(Number(view.getBigInt64(offset, littleEndian)))
    const { site: _, time, cpu, ...recorded } = site.record.decode(view, offset, length)
    const list = Object.values(recorded)
    const { text, used } = message(site.format, list)
    return {
      level: site.level,
      message: text,
      values: Object.fromEntries(list.map((value, i) => [site.names[i] ?? `value${i + 1}`, value])),
      unmentioned: site.names.slice(used),
      object: this.#object,
      file: site.file,
      line: site.line,
      function: site.function,
      time: ktimeToDate(time as bigint),
      cpu: cpu as number,
    }
  }

  /** The place that wrote a record. The record identifies it by its distance from `node_logs_base`. */
  #siteAt(distance: number): Site {
    let site = this.#sites.get(distance)
    if (site === undefined) {
      site = this.#readSite(this.#base + distance)
      this.#sites.set(distance, site)
    }
    return site
  }

  #readSite(offset: number): Site {
    const types = this.#types
    const variable = types.resolve(this.#variables.get(offset) ?? 0)
    if (variable.kind !== 'var') {
      throw new BpfError(`object '${this.#object}': a record in node_logs is not from libbpf_node_log(...)`, {
        code: 'ERR_BPF_MISMATCH',
        object: this.#object,
      })
    }
    const type = types.resolve(variable.typeId)
    const members = type.kind === 'struct' ? type.members : []
    const record = types.resolve(members.find(({ name }) => name === 'record')?.typeId ?? 0)
    const { level, file, line, format, values } = types
      .codec<{ level: number; file: string; line: number; format: string; values: string }>(type.id)
      .decodeBytes(this.#bytes.subarray(offset, offset + types.sizeOf(type.id)))
    return {
      level: levelOf(level),
      file,
      line,
      // clang puts the function in front of the name of its static variable.
      function: variable.name.split('.')[0]!,
      format,
      names: valueNames(values),
      record: types.codec(record.kind === 'array' ? record.typeId : 0),
    }
  }
}

function baseOf(types: BtfTypes, { variables }: BtfDatasec): number {
  const base = variables.find(({ typeId }) => {
    const variable = types.resolve(typeId)
    return variable.kind === 'var' && variable.name === 'node_logs_base'
  })
  return base?.offset ?? 0
}
