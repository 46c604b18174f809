// What the tools have in common. Each is a file, whose functions run in the kernel.
import type { DrawingStyle } from '../trace/aggregate.js'
import type { Session } from '../trace/session.js'

export interface ToolOptions {
  /** Only this process. */
  readonly pid?: number
  /** One answer for each process, instead of one for all. */
  readonly each?: boolean
  /** The arguments after the name of the tool. */
  readonly args: readonly string[]
}

/** A column of a line: its title, its width, and the text of it. */
export type Column<E> = readonly [title: string, width: number, text: (event: E) => string | number]

interface CommonTool {
  readonly summary: string
  /** The usage of the arguments after the name. */
  readonly usage?: string
  readonly help: string
  /** False if it cannot be limited to a process. */
  readonly isOfProcess?: boolean
  /** Whether it can have an answer for each process. */
  readonly hasEach?: boolean
}

/** A tool that prints a line for each event. */
export interface EventTool<E> extends CommonTool {
  readonly columns: readonly Column<E>[]
  open(options: ToolOptions): Promise<Session & Losing & { readonly events: Events }>
  /** Whether a line is printed for an event; by default, for all of them. */
  wants?(event: E, options: ToolOptions): boolean
}

/** A tool with a single answer, which grows over time. */
export interface AnswerTool extends CommonTool {
  open(options: ToolOptions): Promise<Session & Answer & Losing>
}

interface Events {
  on(listener: (event: unknown) => void): void
}

interface Losing {
  /** How much was left out because a map or the buffer was full. */
  readonly lost: number
}

interface Answer {
  toString(count?: number, style?: DrawingStyle): string
  toJSON(): unknown
}

/** Options as sessions take them. */
export const onlyPid = ({ pid }: Pick<ToolOptions, 'pid'>): { pid?: number } =>
  pid === undefined ? {} : { pid }
