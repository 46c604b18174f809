import { whyNoPerfEvent } from '../machine/perf-paranoid.js'
import { whyNoTracepoint } from '../machine/tracefs.js'
import { native } from '../native/binding.js'
import { didYouMean, editLimit } from './nearest.js'

/** What an errno and libbpf's warnings mean, and what helps. The first that fits is used. */
export interface Hint {
  /** Names of errno values; any without. */
  code?: RegExp
  /** The libbpf function that failed; any without. */
  operation?: RegExp
  /** Looked for in libbpf's warnings. */
  log?: RegExp
  /** The reason in words; `undefined` where it is not that after all. `target` is what the call was about. */
  say: (match: RegExpExecArray, target: string) => string | undefined
}

export const hints: readonly Hint[] = [
  // ---- The file
  {
    log: /failed to open (?:file )?(.+): -ENOENT/,
    say: () => 'there is no such file',
  },
  {
    log: /elf: failed to open (.+): -EACCES/,
    say: () => 'the file may not be read by this user',
  },
  {
    code: /^EISDIR$/,
    operation: /^(bpf_object__open_file|bpf_linker__add_file|btf__parse)$/,
    say: () => 'it is a directory',
  },
  {
    code: /^ESPIPE$/,
    operation: /^(bpf_object__open_file|bpf_linker__add_file|btf__parse)$/,
    say: () => 'it is a pipe or a device; only a regular file can be read',
  },
  {
    log: /elf: failed to open .+ as ELF file/,
    say: () => 'it is a folder, or another thing that cannot be read as a file',
  },
  {
    log: /failed to find BTF info for object/,
    say: () => 'it carries no BTF: compile it with clang -g',
  },
  {
    log: /is not a proper ELF object/,
    say: () => "it is not an object file; 'clang -g -O2 -target bpf -c' makes one of C source",
  },
  {
    code: /^EINVAL$/,
    operation: /^bpf_object__open_mem$/,
    log: /^$/,
    say: () => 'there are no bytes in it',
  },
  {
    log: /is not a valid eBPF object file/,
    say: () =>
      "it is an object file for another machine, or linked already; compile with 'clang -target bpf -c'",
  },
  {
    log: /non-native endianness is unsupported/,
    say: () =>
      "it was compiled for machines of the other byte order; 'clang -target bpf' takes this machine's",
  },
  {
    log: /BTF is required, but is missing or corrupted/,
    say: () => "it declares maps but carries no BTF, or its BTF is damaged; compile it with 'clang -g'",
  },
  {
    // Which libbpf does not say: it would not look.
    code: /^LIBBPF_ERRNO__FORMAT$/,
    operation: /^bpf_object__open/,
    log: /^$/,
    say: () => 'its BTF is damaged: types refer to themselves, or have no size',
  },
  {
    code: /^LIBBPF_ERRNO__FORMAT$/,
    operation: /^bpf_object__open/,
    log: /libbpf: (?:elf: )?(.*)/,
    say: ([, detail]) => `the file is damaged or was cut off: ${detail}`,
  },
  {
    code: /^LIBBPF_ERRNO__FORMAT$/,
    operation: /^bpf_linker__add/,
    say: () => 'the file is damaged: a relocation lies outside of what it is of',
  },
  // ---- Programs and what they ask of the kernel
  {
    log: /prog '([^']+)': missing BPF prog type, check ELF section name '([^']+)'/,
    say: ([, program, section = '']) => {
      const [kind = ''] = section.split('/')
      return `SEC("${section}") of program '${program}' names no program type that libbpf knows${didYouMean(kind, sections)}`
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
    // libbpf prints nothing there.
    code: /^ESRCH$/,
    operation: /^bpf_program__set_attach_target$/,
    say: (_, target) => noSuchHook(target),
  },
  {
    log: /extern '(CONFIG_\w+)' \(strong\): not resolved/,
    say: ([, name]) =>
      `the kernel's configuration does not set ${name}; give it in the option kconfig, or declare it __weak`,
  },
  {
    log: /extern (?:\((?:func|var) ksym\) )?'([^']+)'.*: not (?:found|resolved)/,
    say: ([, name]) => `this kernel has no '${name}' for programs; declare it __weak to load without it`,
  },
  {
    log: /failed to get EHDR from (.+)/,
    say: ([, path]) => `${path} is not a file with BTF to relocate against`,
  },
  {
    log: /failed to find valid kernel BTF|kernel BTF is missing/,
    say: () =>
      'this kernel carries no BTF (/sys/kernel/btf/vmlinux is missing); give it as the option btfCustomPath',
  },
  {
    code: /^ENOSPC$/,
    operation: /^bpf_object__load$/,
    log: /BPF program load failed/,
    say: () =>
      "the verifier's log does not fit into kernelLogSize; raise it, or leave it out to get the whole log",
  },
  {
    log: /prog '([^']+)': SEC\("([^"]*)"\) program isn't referenced anywhere/,
    say: ([, program, section]) =>
      `program '${program}' is in no struct_ops map, and the kernel takes it only with one; put it into one, or declare it SEC("?${section}"), which leaves it out until then`,
  },
  {
    code: /^EINVAL$/,
    log: /prog '([^']+)': failed to load: -EINVAL/,
    say: ([, program]) =>
      `the kernel refused program '${program}' and gave no reason: its type, attach type, flags or log level do not fit together, or are newer than this kernel`,
  },
  // ---- Maps
  {
    log: /specified path (\S+) is not on BPF FS/,
    say: ([, path]) => `${path} is not on a BPF file system; 'mount -t bpf bpf /sys/fs/bpf' makes one`,
  },
  {
    log: /map '([^']+)': failed to create: -(E2BIG|ENOMEM|EINVAL)/,
    say: ([, map, code = '']) => `map '${map}' cannot be created: ${mapFailures[code]}`,
  },
  {
    code: /^(E2BIG|ENOMEM|EINVAL)$/,
    operation: /^bpf_map_create$/,
    say: ([code = '']) => mapFailures[code],
  },
  {
    log: /is not BPF_MAP_TYPE_(\w+)/,
    say: ([, type = '']) => `the map is not of type ${type.toLowerCase()}`,
  },
  {
    code: /^EEXIST$/,
    operation: /^bpf_map__attach_struct_ops$/,
    say: () => 'the kernel has one of that name already, from this map or another',
  },
  { code: /^EEXIST$/, operation: /^bpf_map_update_elem$/, say: () => 'the key is there already' },
  { code: /^ENOENT$/, operation: /^bpf_map_update_elem$/, say: () => 'there is no such key' },
  {
    code: /^E2BIG$/,
    operation: /^bpf_map_update_elem$/,
    say: () => 'the map is full, or the key is beyond its end',
  },
  {
    code: /^EINVAL$/,
    operation: /^bpf_map_(lookup|update|delete|lookup_and_delete)_elem$/,
    say: () => 'maps of this type cannot do that, or not with these flags',
  },
  {
    code: /^ENOTSUPP?$/,
    operation: /^bpf_map_(lookup|delete|lookup_and_delete)_elem$/,
    say: () => 'maps of this type cannot do that',
  },
  {
    code: /^EINVAL$/,
    operation: /^bpf_map_get_info_by_fd$/,
    say: () => 'it is not the descriptor of a BPF map',
  },
  {
    code: /^ENOENT$/,
    operation: /^bpf_btf_get_info_by_fd$|_get_fd_by_id$/,
    say: () => 'there is none, or it is gone',
  },
  {
    code: /^EBUSY$/,
    operation: /__(set_\w+|reuse_fd)$/,
    say: () => 'that is fixed when the object is loaded; do it between open and load',
  },
  // ---- Pins
  { log: /missing a path to pin|no path to unpin/, say: () => 'it has no pin path: give one' },
  {
    code: /^(ENOENT|EACCES|EINVAL)$/,
    operation: /^(bpf_obj_get|bpf_link__open)$/,
    say: ([code]) =>
      code === 'ENOENT'
        ? 'there is no such file'
        : 'nothing of that kind is pinned there, or this user may not open it',
  },
  // ---- BTF
  { code: /^EINVAL$/, operation: /^btf__(new|parse)/, say: () => 'these bytes are not BTF, or damaged' },
]

const mapFailures: Record<string, string> = {
  E2BIG: 'it is larger than the kernel allows; lower its maxEntries or sizes',
  ENOMEM: 'not enough memory; lower its maxEntries or sizes',
  EINVAL: 'its type does not allow these sizes, maxEntries, flags or this name',
}

/** The beginnings of section names, for those who mistyped one. */
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
    // Without BTF, or without memory for it, there is no proposal.
    return []
  }
}
