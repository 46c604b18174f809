// The configuration, as config.schema.json describes it. Names are those that people know from ebpf_exporter.

export interface AgentConfig {
  /** Where /metrics, /healthz and /readyz are served: `host:port`, `:port`, or false. */
  listen?: string | false
  log?: { level?: LogLevel }
  /** The user to become after everything is attached: a name or a number. */
  user?: string | number
  pinning?: PinningConfig
  containers?: ContainersConfig
  /** Attributes of the OpenTelemetry resource, such as `service.name`. */
  resource?: Record<string, string>
  programs: ProgramConfig[]
  outputs?: OutputsConfig
  limits?: LimitsConfig
  self?: SelfConfig
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface PinningConfig {
  /** A folder in a BPF file system. */
  path: string
}

/** Where names of containers are read from, in addition to the files of the host. */
export interface ContainersConfig {
  /** The socket of the runtime's API. */
  cri?: string
  kubelet?: KubeletConfig | null
}

export interface KubeletConfig {
  url?: string
  token_file?: string
  ca_file?: string
  insecure?: boolean
}

/** What the agent and its programs may take. Above it, they report less. */
export interface LimitsConfig {
  /** Cores, such as 0.3. */
  cpu?: number
  /** Bytes of the agent's resident memory. */
  memory?: number
  /** Seconds between two measurements of the load. */
  interval?: number
  /** Seconds of low load after which they report more again. */
  calm?: number
}

export interface SelfConfig {
  /** Whether the kernel measures how long each program runs. It costs some nanoseconds for each run. */
  program_stats?: boolean
}

export interface ProgramConfig {
  name?: string
  /** One of the collections that come with the agent. */
  use?: string
  /** An object file (.bpf.o), or TypeScript for the kernel (.bpf.ts). */
  file?: string
  /** Values of constants (`.rodata`) and variables by name. */
  globals?: Record<string, unknown>
  /** The cgroup that programs for cgroups are attached to; the root by default. */
  cgroup?: string
  /** Attaches uprobes and static probes in containers. */
  follow?: FollowConfig | null
  /** Whether it may be sampled or detached when a limit is reached. */
  shed?: boolean
  metrics?: MetricsConfig
  events?: EventsConfig[]
}

/** Which containers, and which of their files; by default all, and what the sections of the programs name. */
export interface FollowConfig {
  binary?: string
  cgroup?: string
  image?: string
}

export interface MetricsConfig {
  counters?: NumberConfig[]
  gauges?: NumberConfig[]
  histograms?: HistogramConfig[]
}

interface MetricConfig {
  name: string
  help: string
  /** The map; by default the one with the name of the metric. */
  map?: string
  labels?: LabelConfig[]
  max_series?: number
  stale_after?: number
  exemplar?: ExemplarConfig
}

/** What a program notes about one of the things that an entry counts. */
export interface ExemplarConfig {
  /** The member of the value that has it: a struct. */
  member: string
  /** The member of that struct that is the value. */
  value: string
  /** The member that says when it happened, as bpf_ktime_get_ns() tells it. */
  time: string
  labels: LabelConfig[]
}

export interface NumberConfig extends MetricConfig {
  /** The member of the value that is the number, if the value is a struct. */
  member?: string
  /** What the number is multiplied by. */
  multiplier?: number
}

export interface HistogramConfig extends MetricConfig {
  bucket_type: 'exp2' | 'fixed'
  /** The last slot of exp2. */
  bucket_max?: number
  /** What the bounds and the sum are multiplied by. */
  bucket_multiplier?: number
  /** The upper bounds of fixed. */
  bucket_keys?: number[]
  /** The member of the key that is the slot, if there is an entry for each slot. */
  bucket?: string
}

export interface LabelConfig {
  name: string
  /** The member of the key; by default the one with the name of the label, or the key itself if it is not a struct. */
  member?: string
  decoders?: DecoderConfig[]
}

export interface DecoderConfig {
  name: DecoderName
  static_map?: Record<string, string>
  allow_unknown?: boolean
  /** The key of a pod's label. */
  key?: string
  regexps?: string[]
}

export type DecoderName =
  | 'uint'
  | 'string'
  | 'hex'
  | 'static_map'
  | 'inet_ip'
  | 'cgroup'
  | 'container'
  | 'pod'
  | 'namespace'
  | 'image'
  | 'pod_label'
  | 'ifname'
  | 'majorminor'
  | 'uid'
  | 'errno'
  | 'signal'
  | 'syscall'
  | 'regexp'

export interface EventsConfig {
  /** The ring buffer or perf event array. */
  map: string
  /** The C type of its records. */
  type: string
  /** The name of the events; by default that of the map. */
  name?: string
  /** Members that are replaced by the result of their decoders. */
  labels?: LabelConfig[]
  /** Where they go; by default to all outputs. */
  outputs?: OutputName[]
}

export type OutputName = 'stdout' | 'file' | 'otlp'

export interface OutputsConfig {
  stdout?: Record<string, never>
  file?: FileConfig
  otlp?: OtlpConfig
}

export interface FileConfig {
  path: string
  /** Bytes after which a new file is begun. */
  max_bytes?: number
  /** How many old files are kept. */
  max_files?: number
}

export interface OtlpConfig {
  /** Such as http://127.0.0.1:4318; /v1/metrics and /v1/logs are added. */
  endpoint: string
  headers?: Record<string, string>
  /** Seconds between two exports of metrics; 0 sends events only. */
  metrics_interval?: number
  /** The maximum number of events that wait to be sent. What does not fit is counted as dropped. */
  max_queue?: number
}
