import { release } from 'node:os'
import { whyNoPerfEvent } from '../machine/perf-paranoid.js'
import { whyNoTracepoint } from '../machine/tracefs.js'
import { native } from '../native/binding.js'
import { didYouMean, editLimit } from './nearest.js'
import { notOnBpfFileSystem, whyNotOpened, whyNotPinned } from './pins.js'

/** What libbpf's warnings, or an errno alone, mean and what to do about it. The first hint that fits is used. */
export interface Hint {
  /** The names of errno values; without it, any. */
  code?: RegExp
  /** The libbpf function that failed; without it, any. */
  operation?: RegExp
  /**
   * Searched for in libbpf's warnings. Without it the hint is a guess, which only counts when libbpf gave no reason.
   */
  log?: RegExp
  /**
   * The reason in words; `undefined` if the hint does not fit after all. `target` is what the call was about, `code`
   * the errno's name.
   */
  say: (match: RegExpExecArray, target: string, code: string) => string | undefined
}

export const hints: readonly Hint[] = [
  // ---- The file
  { log: /(?:elf: failed to open|failed to open file) .+: -ENOENT/, say: () => 'the file does not exist' },
  { log: /elf: failed to open .+: -EACCES/, say: () => 'this user may not read the file' },
  {
    code: /^EISDIR$/,
    operation: /^(bpf_object__open_file|bpf_linker__add_file|btf__parse)$/,
    log: /^/,
    say: () => 'it is a directory',
  },
  {
    code: /^ESPIPE$/,
    operation: /^(bpf_object__open_file|bpf_linker__add_file|btf__parse)$/,
    log: /^/,
    say: () => 'it is a pipe or a device; only a regular file can be read',
  },
  {
    log: /elf: failed to open .+ as ELF file/,
    say: () => 'it is a directory, or something else that cannot be read as a file',
  },
  {
    log: /failed to find BTF info for object/,
    say: () => 'it has no BTF: compile it with clang -g',
  },
  {
    log: /is not a proper ELF object/,
    say: () => "it is not an object file; 'clang -g -O2 -target bpf -c' compiles C source to one",
  },
  {
    code: /^EINVAL$/,
    operation: /^bpf_object__open_mem$/,
    log: /^$/,
    say: () => 'it is empty',
  },
  {
    log: /is not a valid eBPF object file/,
    say: () =>
      "it is an object file for another machine, or one that is linked already; compile it with 'clang -target bpf -c'",
  },
  {
    log: /non-native endianness is unsupported/,
    say: () =>
      "it was compiled for machines of the other byte order; 'clang -target bpf' compiles for this machine's",
  },
  {
    log: /legacy map definitions in 'maps' section are not supported/,
    say: () =>
      'it defines maps in SEC("maps"), which libbpf 1.0 no longer reads; define them in SEC(".maps")',
  },
  {
    log: /failed to find BTF for extern '([^']+)'/,
    say: ([, name]) =>
      `'${name}' is declared extern and not defined in this file: link this object with the one that defines it (Linker, or 'libbpf-node gen' with several files); a kernel function or variable must be declared with __ksym`,
  },
  {
    log: /BTF is required, but is missing or corrupted/,
    say: () => "it declares maps but has no BTF, or its BTF is damaged; compile it with 'clang -g'",
  },
  {
    // Our own check refuses these before libbpf sees them, so there is no warning.
    code: /^LIBBPF_ERRNO__FORMAT$/,
    operation: /^bpf_object__open/,
    log: /^$/,
    say: () => 'its BTF is damaged: types refer to themselves, or have no size',
  },
  {
    code: /^LIBBPF_ERRNO__FORMAT$/,
    operation: /^bpf_object__open/,
    log: /libbpf: (?:elf: )?(.*)/,
    say: ([, detail]) => `the file is damaged or cut off: ${detail}`,
  },
  {
    code: /^LIBBPF_ERRNO__FORMAT$/,
    operation: /^bpf_linker__add/,
    log: /^/,
    say: () => 'the file is damaged: it has a relocation outside of the section that it belongs to',
  },
  // ---- Programs and what they ask of the kernel
  {
    log: /prog '([^']+)': missing BPF prog type, check ELF section name '([^']+)'/,
    say: ([, program, section = '']) => {
      const [kind = ''] = section.replace(/^\?/, '').split('/')
      return `SEC("${section}") of program '${program}' is not a section name that libbpf knows${didYouMean(kind, sections)}`
    },
  },
  {
    log: /failed to determine tracepoint '([^/']+)\/([^']+)' perf event ID/,
    say: ([, category = '', name = '']) => whyNoTracepoint(category, name),
  },
  {
    code: /^EACCES$/,
    log: /perf_event_open\(\) failed|perf event: -EACCES/,
    say: () => whyNoPerfEvent(),
  },
  {
    log: /prog '([^']+)': no BTF-based attach target is specified/,
    say: ([, program]) =>
      `program '${program}' has no target: name it in SEC(), such as SEC("fentry/vfs_read"), or call setAttachTarget() before loading`,
  },
  {
    log: /prog '([^']+)': attach program FD is not set/,
    say: ([, program]) =>
      `program '${program}' replaces a function of another BPF program: name that program with setAttachTarget() before loading`,
  },
  { log: /failed to find kernel BTF type ID of '([^']+)'/, say: ([, name = '']) => noSuchHook(name) },
  {
    // libbpf prints nothing then.
    code: /^ESRCH$/,
    operation: /^bpf_program__set_attach_target$/,
    say: (_, target) => noSuchHook(target),
  },
  {
    log: /failed to open system Kconfig/,
    say: () =>
      `the programs ask for the kernel's configuration, and neither /boot/config-${release()} nor /proc/config.gz can be read; give all values that they ask for in the option kconfig, such as 'CONFIG_HZ=250'`,
  },
  {
    log: /extern '(CONFIG_\w+)' \(strong\): not resolved/,
    say: ([, name]) =>
      `the kernel's configuration does not set ${name}; give it in the option kconfig, or declare it __weak`,
  },
  {
    log: /extern \(func ksym\) '([^']+)'.*: not found/,
    say: ([, name]) =>
      `neither this kernel nor a loaded module has a function '${name}' that programs can call; declare it __weak to load without it`,
  },
  {
    log: /extern (?:\(var ksym\) )?'([^']+)'.*: not (?:found|resolved)/,
    say: ([, name]) =>
      `this kernel has no variable '${name}' for programs; declare it __weak to load without it`,
  },
  {
    log: /failed to get EHDR from (.+)/,
    say: ([, path]) => `${path} is not a file with BTF to relocate against`,
  },
  {
    log: /struct_ops init_kern: struct (?:bpf_struct_ops_)?(\w+) is not found in kernel BTF/,
    say: ([, name]) =>
      `this kernel has no struct_ops of type ${name}: it is too old, was built without it, or the module that has it is not loaded`,
  },
  {
    log: /struct_ops init_kern (\w+): Cannot find member (\w+) in kernel BTF/,
    say: ([, type, member]) => `struct ${type} of this kernel has no member '${member}'; leave it zero`,
  },
  {
    log: /failed to find valid kernel BTF|kernel BTF is missing|Error loading vmlinux BTF/,
    say: () =>
      'this kernel has no BTF (/sys/kernel/btf/vmlinux is missing); give a file with it in the option btfCustomPath',
  },
  {
    log: /-- BEGIN BTF LOAD LOG ---\n([\s\S]*?)-- END BTF LOAD LOG --[\s\S]*BTF is mandatory/,
    say: ([, log = '']) => `the kernel refused its BTF: ${log.trim().split('\n').at(-1)}`,
  },
  {
    code: /^ENOSPC$/,
    operation: /^bpf_object__load$/,
    log: /BPF program load failed/,
    say: () =>
      "the verifier's log does not fit into kernelLogSize; make it larger, or leave it out to get the whole log",
  },
  {
    code: /^E2BIG$/,
    operation: /^bpf_object__load$/,
    log: /BPF program load failed/,
    say: () =>
      'it has more instructions than the kernel accepts: a million, or 4096 without CAP_BPF and before Linux 5.2',
  },
  {
    log: /prog '([^']+)': SEC\("([^"]*)"\) program isn't referenced anywhere/,
    say: ([, program, section]) =>
      `program '${program}' is in no struct_ops map, and the kernel accepts it only in one; add it to a map, or declare it SEC("?${section}") so that it is not loaded`,
  },
  {
    code: /^EINVAL$/,
    log: /prog '([^']+)': BPF program load failed: -EINVAL/,
    say: ([, program]) =>
      `the kernel refused program '${program}' and gave no reason: its type, attach type, flags or log level do not fit together, or are newer than this kernel`,
  },
  // ---- Maps
  {
    log: /specified path (\S+) is not on BPF FS/,
    say: ([, path = '']) => notOnBpfFileSystem(path),
  },
  {
    log: /map '([^']+)': failed to create: -(E2BIG|ENOMEM|EINVAL)/,
    say: ([, map, code = '']) => `map '${map}' cannot be created: ${mapFailures[code]}`,
  },
  {
    code: /^(E2BIG|ENOMEM|EINVAL)$/,
    operation: /^bpf_map_create$/,
    say: (_match, _target, code) => mapFailures[code],
  },
  {
    log: /is not BPF_MAP_TYPE_(\w+)/,
    say: ([, type = '']) => `the map is not of type ${type.toLowerCase()}`,
  },
  {
    code: /^EEXIST$/,
    operation: /^bpf_map__attach_struct_ops$/,
    say: () => 'the kernel has a struct_ops of that name already, from this map or another one',
  },
  { code: /^EEXIST$/, operation: /^bpf_map_update_elem$/, say: () => 'the key exists already' },
  { code: /^ENOENT$/, operation: /^bpf_map_update_elem$/, say: () => 'the key does not exist' },
  {
    code: /^E2BIG$/,
    operation: /^bpf_map_update_elem$/,
    say: () => 'the map is full, or the key is beyond its end',
  },
  {
    code: /^EINVAL$/,
    operation: /^bpf_map_(lookup|update|delete|lookup_and_delete)_elem$/,
    say: () => 'maps of this type do not support that, or not with these flags',
  },
  {
    code: /^ENOTSUPP?$/,
    operation: /^bpf_map_(lookup|delete|lookup_and_delete)_elem$/,
    say: () => 'maps of this type do not support that',
  },
  {
    code: /^EINVAL$/,
    operation: /^bpf_map_get_info_by_fd$/,
    say: () => 'it is not the descriptor of a BPF map',
  },
  {
    code: /^ENOENT$/,
    operation: /^bpf_btf_get_info_by_fd$|_get_fd_by_id$/,
    say: () => 'nothing with that id exists (any more)',
  },
  {
    code: /^EBUSY$/,
    operation: /__(set_\w+|reuse_fd)$/,
    say: () => 'that is fixed when the object is loaded; do it between open and load',
  },
  // ---- Pins
  { log: /missing a path to pin|no path to unpin/, say: () => 'it has no pin path: give one' },
  {
    log: /failed to (?:(?:auto-)?pin at '([^'\n]+)'|mkdir (.+): -)/,
    say: ([, pin, folder = ''], _target, code) => {
      const path = pin ?? folder
      const why = whyNotPinned(path, code)
      return why?.startsWith(path) ? why : why && `it cannot be pinned at ${path}: ${why}`
    },
  },
  {
    operation: /^bpf_(?:obj_pin|(?:map|program|link)__pin)$/,
    log: /^$|failed to pin/,
    say: (_, target, code) => whyNotPinned(target, code),
  },
  {
    log: /couldn't retrieve pinned map '(.+)': -(\w+)/,
    say: ([, path = '', code = '']) => {
      const why = whyNotOpened(path, code)
      return why && `the map at ${path} cannot be reused: ${why}`
    },
  },
  {
    operation: /^(?:bpf_obj_get|bpf_link__open)$/,
    log: /^$|failed to open link at/,
    say: (_, target, code) => whyNotOpened(target, code),
  },
  // ---- BTF
  { code: /^EINVAL$/, operation: /^btf__(new|parse)/, say: () => 'these bytes are not BTF, or are damaged' },
]

/** Only used if nothing is known about the map; otherwise see lib/maps/limits.ts. */
const mapFailures: Record<string, string> = {
  E2BIG: 'it is larger than the kernel allows; lower its maxEntries or sizes',
  ENOMEM: 'not enough memory; lower its maxEntries or sizes',
  EINVAL: 'its type does not allow these sizes, maxEntries or flags, or this name',
}

/** How section names begin, to suggest the right one for a typo. */
const sections =
  'socket sk_reuseport kprobe uprobe kretprobe uretprobe kprobe.multi kretprobe.multi uprobe.multi uretprobe.multi ksyscall kretsyscall usdt tc classifier action tcx netkit tracepoint tp raw_tracepoint raw_tp tp_btf fentry fmod_ret fexit fsession freplace lsm lsm_cgroup iter syscall xdp perf_event lwt_in lwt_out lwt_xmit sockops sk_skb sk_msg flow_dissector cgroup_skb cgroup sk_lookup struct_ops netfilter'.split(
    ' ',
  )

/** Says that the kernel lacks the target of a fentry, tp_btf or lsm program, and what exists instead. */
export function noSuchHook(name: string): string {
  return `no such kernel function or hook '${name}'${didYouMean(name, kernelHooksLike(name, false))}`
}

/** Says that the kernel lacks a raw tracepoint, and what exists instead. */
export function noSuchTracepoint(name: string): string {
  return `no such raw tracepoint${didYouMean(name, kernelHooksLike(name, true))}`
}

function kernelHooksLike(name: string, onlyTracepoints: boolean): string[] {
  try {
    return native.kernelHooksLike(name, editLimit(name), onlyTracepoints)
  } catch {
    // Without BTF, or without memory for it, there are no suggestions.
    return []
  }
}
