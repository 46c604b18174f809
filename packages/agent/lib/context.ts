import type { BpfMetrics } from '@libbpf-node/otel'
import type { EventsConfig } from './config/types.js'
import type { DecoderContext } from './decoders.js'
import type { AgentEvent } from './outputs/output.js'

/** What programs share. */
export interface ProgramContext extends DecoderContext {
  readonly metrics: BpfMetrics
  deliver(event: AgentEvent, outputs: EventsConfig['outputs']): void
  /** Writes what outputs have collected. */
  flush(): void
  /** Whether the agent may still load and attach programs. */
  readonly isPrivileged: () => boolean
  /** Where maps and links are pinned, if they are. */
  readonly pinRoot: string | undefined
  readonly report: (message: string) => void
  /** Something was attached, or is gone, while the program runs. */
  readonly changed: () => void
}
