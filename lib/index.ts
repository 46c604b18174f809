/**
 * eBPF for Node.js: libbpf through Node-API, with types from BTF.
 *
 * Import the names that you need, or the whole package. For the second form there are short names:
 *
 * ```ts
 * import { BpfObject, BpfMap, listPrograms } from 'libbpf-node'
 *
 * import * as bpf from 'libbpf-node'
 * bpf.Object.open('exec.bpf.o')
 * ```
 *
 * `Object` and `Map` are for the second form only: as named imports they shadow JavaScript's own `Object` and `Map`.
 *
 * @packageDocumentation
 */

export { disassemble, type Instruction } from './asm/text.js'
export type { Anchor, AnchorOptions, AnchorTarget } from './attach/anchor.js'
export type { CgroupOptions } from './attach/cgroup.js'
export {
  type DetachOptions,
  detachCgroup,
  detachFlowDissector,
  detachLirc,
  detachNetkit,
  detachSockmap,
  detachTcx,
} from './attach/detach.js'
export { type Interface, interfaceIndex } from './attach/interface.js'
export { IterLink, type IterOptions } from './attach/iter.js'
export type { KprobeMultiOptions, KprobeOptions, KsyscallOptions, ProbeMode } from './attach/kprobe.js'
export type { NetfilterFamily, NetfilterHook, NetfilterOptions } from './attach/netfilter.js'
export type { OpenPerfEvent, PerfEventOptions } from './attach/perf-event.js'
export type {
  PerfBreakpoint,
  PerfEventExclusion,
  PerfEventName,
  PerfEventNumbers,
  PerfEventRate,
  PerfEventSource,
  PerfEventTarget,
  PerfTracepoint,
} from './attach/perf-event-attr.js'
export { Qdisc, type QdiscOptions } from './attach/qdisc.js'
export {
  type Attached,
  queryCgroup,
  queryLirc,
  queryNetkit,
  queryNetns,
  querySockmap,
  queryTcx,
} from './attach/query.js'
export type { ProgramReference } from './attach/reference.js'
export { detachReuseport, detachSocket } from './attach/socket.js'
export { TcFilter, TcHook, type TcOptions, type TcPoint } from './attach/tc.js'
export type { NetkitOptions, TcxOptions } from './attach/tcx.js'
export type { CookieOption } from './attach/tracepoint.js'
export type { UprobeMultiOptions, UprobeOptions } from './attach/uprobe.js'
export type { UsdtOptions } from './attach/usdt.js'
export {
  detachXdp,
  queryXdp,
  type XdpDetachOptions,
  XdpLink,
  type XdpMode,
  type XdpOptions,
  type XdpState,
} from './attach/xdp.js'
export { Btf, type BtfInfo, type BtfOptions, type DumpOptions } from './btf/btf.js'
export type { Codec, CodecOptions } from './btf/codec.js'
export { jsonReplacer } from './btf/json.js'
export { BtfTypes } from './btf/parse.js'
export type { RecordView, TextView } from './btf/record-view.js'
export type * from './btf/types.js'
export type { BpfErrorCode } from './errors/codes.js'
export { BpfError, type BpfErrorDetails, type SourceLine, VerifierError } from './errors/errors.js'
export type { VerifierStats } from './errors/verifier-log.js'
export type { Iteration } from './events/iteration.js'
export { OrderedEvents, type OrderOptions } from './events/ordered.js'
export {
  type Packet,
  type PacketDirection,
  PacketSocket,
  type PacketSocketOptions,
} from './events/packet-socket.js'
export { type LostRecords, PerfBuffer, type PerfBufferOptions } from './events/perf-buffer.js'
export { PerfEvent, type PerfEventOpenOptions, type PerfEventValue } from './events/perf-event.js'
export { EventReader, type EventReaderOptions } from './events/reader.js'
export type { DrainCallback } from './events/record-source.js'
export { RingBuffer, type RingBufferOptions } from './events/ring-buffer.js'
export { tracePipe } from './events/trace-pipe.js'
export { type Reservation, UserRingBuffer, type UserRingBufferOptions } from './events/user-ring-buffer.js'
export type { Answer } from './features/answer.js'
export { type AllFeatures, type Answers, features } from './features/features.js'
export type { Machine, MountType } from './features/machine.js'
export type { MapFlag } from './features/map-flags.js'
export type { Isa, VerifierFeature } from './features/verifier.js'
export { type CgroupAttachment, cgroupPrograms, cgroupTree } from './kernel/cgroups.js'
// Short names for `import * as bpf from 'libbpf-node'`: bpf.Object, bpf.Map, bpf.programs(). Do not import Object and
// Map by name, because they would shadow JavaScript's own.
export { type Kind, listIds, listIds as ids } from './kernel/ids.js'
export {
  enableStats,
  type Held,
  type Holder,
  type ListOptions,
  linkInfo,
  listBtfs,
  listBtfs as btfs,
  listLinks,
  listLinks as links,
  listMaps,
  listMaps as maps,
  listPrograms,
  listPrograms as programs,
  mapInfo,
  programInfo,
} from './kernel/inventory.js'
export {
  type NetworkPrograms,
  networkPrograms,
  type TcAttachment,
  type XdpAttachment,
} from './kernel/network.js'
export { type PerfAttachment, perfPrograms } from './kernel/perf.js'
export { PIDFD_THREAD, Pidfd } from './kernel/pidfd.js'
export { listPins, openPin, type Pin } from './kernel/pins.js'
export { Token } from './kernel/token.js'
export { type ExchangeKind, Link } from './links/link.js'
export type * from './links/link-info.js'
export { onlineCpus, possibleCpus } from './machine/cpus.js'
export { kernelFunctions } from './machine/kallsyms.js'
export { setMemlockRlimit } from './machine/memlock.js'
export type { PinFolder } from './machine/pin-folder.js'
export type { RawBatch } from './maps/batches.js'
export { BPF_F_INNER_MAP } from './maps/inner-maps.js'
export type { MapLayout } from './maps/layout.js'
export { BpfMap, BpfMap as Map } from './maps/map.js'
export { MappedArena, MappedArray } from './maps/mapped-array.js'
export { openMap } from './maps/open-map.js'
export { sumValues } from './maps/per-cpu.js'
export {
  BPF_ANY,
  BPF_EXIST,
  BPF_F_LOCK,
  BPF_F_RDONLY,
  BPF_F_WRONLY,
  BPF_NOEXIST,
  type InnerMap,
  type InnerMapOptions,
  type MapBtf,
  type MapInfo,
  type MapOptions,
  type MapTypes,
  type OpenFlags,
  type PinOptions,
} from './maps/types.js'
export { libbpfVersion } from './native/libbpf-version.js'
export { type Logger, type LogLevel, setLogger } from './native/log.js'
export type { MapType } from './native/map-types.js'
export type { AttachType, LinkType, ProgramType } from './native/type-names.js'
export type { Globals } from './objects/globals.js'
export { Linker, type LinkSource } from './objects/linker.js'
export type { LateChange, Migrate, Migrations } from './objects/migrate.js'
export { BpfObject, BpfObject as Object, type LoadOptions } from './objects/object.js'
export type { OpenOptions } from './objects/open-options.js'
export type { Replacement, ReplaceOptions } from './objects/replace.js'
export type { Shape } from './objects/shape.js'
export type { StructOps } from './objects/struct-ops.js'
export {
  type DumpedInstruction,
  dumpProgram,
  type JitedFunction,
  type ProgramDump,
} from './programs/dump.js'
export type { ProgramOptions } from './programs/foreign.js'
export type { ProgramInfo } from './programs/info.js'
export { Program } from './programs/program.js'
export type { TestRunOptions, TestRunResult } from './programs/test-run.js'
