// Attaches programs to hooks, which makes links. Everything that the options of libbpf's attach functions
// point to lives in the function that calls them.
#include <bpf/bpf.h>
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "addon.h"
#include "link.h"
#include "program.h"
#include "util/call.h"
#include "util/compat.h"
#include "util/options.h"

// Internal to libbpf; deps/libbpf-elf.c defines it. Missing if the system's libbpf is linked.
extern "C" __attribute__((weak)) int elf_resolve_syms_offsets(const char* path, int count, const char** names,
                                                              unsigned long** offsets, int type);

namespace {

// Calls one of libbpf's attach functions and wraps the link that it returns.
template <class Attach>
napi_value ToLink(napi_env env, const Program* program, const char* operation, Attach attach) {
  bpf_link* link = nullptr;
  bool attached = Call(env, operation, [&] { return ErrorOf(link = attach(program->get())); });
  return attached ? WrapLink(env, link, program->object) : nullptr;
}

// For links that libbpf has no bpf_link for with these options, only a descriptor.
napi_value ToFdLink(napi_env env, const Program* program, UniqueFd fd) {
  LinkState link;
  link.fd = std::move(fd);
  link.object = program->object;
  return WrapLink(env, std::move(link));
}

probe_attach_mode Mode(Args& args, size_t i) {
  return static_cast<probe_attach_mode>(args.integer(i, PROBE_ATTACH_MODE_DEFAULT, PROBE_ATTACH_MODE_LINK));
}

// ---- Probes in the kernel

napi_value Kprobe(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  std::string function = args.string(1);
  bpf_kprobe_opts options;
  InitOptions(options);
  options.offset = args.u53(2);
  options.retprobe = args.boolean(3);
  options.bpf_cookie = args.bigint(4);
  options.attach_mode = Mode(args, 5);
  if (!args.ok()) return nullptr;
  return ToLink(env, program, "bpf_program__attach_kprobe_opts", [&](bpf_program* attached) {
    return bpf_program__attach_kprobe_opts(attached, function.c_str(), &options);
  });
}

napi_value Ksyscall(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  std::string name = args.string(1);
  bpf_ksyscall_opts options;
  InitOptions(options);
  options.retprobe = args.boolean(2);
  options.bpf_cookie = args.bigint(3);
  if (!args.ok()) return nullptr;
  return ToLink(env, program, "bpf_program__attach_ksyscall", [&](bpf_program* attached) {
    return bpf_program__attach_ksyscall(attached, name.c_str(), &options);
  });
}

// The arguments of attaching to many functions. The pool uses them, too.
struct Multi {
  std::shared_ptr<ObjectState> object;
  bpf_program* program = nullptr;
  bpf_link* link = nullptr;

  pid_t pid = -1;
  std::string binary;
  std::optional<std::string> pattern;
  std::optional<std::vector<std::string>> symbols;
  std::optional<std::vector<uint64_t>> addresses, ref_counters, cookies;
  bool retprobe = false;
  bool session = false;
  bool unique_match = false;

  Multi() = default;
  Multi(const Multi&) = delete;

  size_t count() const { return symbols ? symbols->size() : addresses ? addresses->size() : 0; }
  bool Fits(const std::optional<std::vector<uint64_t>>& array) const {
    return !array || array->size() == count();
  }

  std::vector<const char*> Symbols() const {
    std::vector<const char*> pointers;
    if (symbols) {
      for (const std::string& symbol : *symbols) pointers.push_back(symbol.c_str());
    }
    return pointers;
  }
  static std::vector<unsigned long> Longs(const std::optional<std::vector<uint64_t>>& from) {
    return from ? std::vector<unsigned long>(from->begin(), from->end()) : std::vector<unsigned long>();
  }
  // Null if it is empty: libbpf checks the pointer, not a length.
  template <class T>
  static T* OrNull(std::vector<T>& array) {
    return array.empty() ? nullptr : array.data();
  }
  const __u64* Cookies() const {
    return cookies && !cookies->empty() ? reinterpret_cast<const __u64*>(cookies->data()) : nullptr;
  }
  const char* Pattern() const { return pattern ? pattern->c_str() : nullptr; }

  int AttachKprobes() {
    std::vector<const char*> names = Symbols();
    std::vector<unsigned long> where = Longs(addresses);
    bpf_kprobe_multi_opts options;
    InitOptions(options);
    options.syms = OrNull(names);
    options.addrs = OrNull(where);
    options.cookies = Cookies();
    options.cnt = count();
    options.retprobe = retprobe;
    options.session = session;
    if (!SetUniqueMatch(options, unique_match, 0)) return -EOPNOTSUPP;
    return ErrorOf(link = bpf_program__attach_kprobe_multi_opts(program, Pattern(), &options));
  }

  // Turns the symbols into file offsets. bpf_program__attach_uprobe_multi would do that, too, but it attaches
  // a function with two names twice, so that the program runs twice per call.
  int Locate(std::vector<unsigned long>& where) const {
    std::vector<const char*> names = Symbols();
    unsigned long* offsets = nullptr;
    int error = elf_resolve_syms_offsets(binary.c_str(), static_cast<int>(names.size()), names.data(),
                                         &offsets, STT_FUNC);
    if (error != 0) return error;
    where.assign(offsets, offsets + names.size());
    free(offsets);
    std::vector<unsigned long> unique = where;
    std::sort(unique.begin(), unique.end());
    unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
    if (unique.size() == where.size()) return 0;
    if (cookies || ref_counters) return -EEXIST;
    where = std::move(unique);
    return 0;
  }

  int AttachUprobes() {
    std::vector<unsigned long> where = Longs(addresses);
    std::vector<const char*> names;
    if (symbols && elf_resolve_syms_offsets != nullptr) {
      int error = Locate(where);
      if (error != 0) return error;
    } else {
      names = Symbols();
    }
    std::vector<unsigned long> counters = Longs(ref_counters);
    bpf_uprobe_multi_opts options;
    InitOptions(options);
    options.syms = OrNull(names);
    options.offsets = OrNull(where);
    options.ref_ctr_offsets = OrNull(counters);
    options.cookies = Cookies();
    options.cnt = names.empty() ? where.size() : names.size();
    options.retprobe = retprobe;
    if (!SetSession(options, session, 0)) return -EOPNOTSUPP;
    return ErrorOf(link =
                       bpf_program__attach_uprobe_multi(program, pid, binary.c_str(), Pattern(), &options));
  }
};

std::shared_ptr<Multi> TakeKprobeMulti(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  auto multi = std::make_shared<Multi>();
  multi->pattern = args.optionalString(1);
  multi->symbols = args.optionalStrings(2);
  multi->addresses = args.optionalU64s(3);
  multi->cookies = args.optionalU64s(4);
  multi->retprobe = args.boolean(5);
  multi->session = args.boolean(6);
  multi->unique_match = args.boolean(7);
  if (args.ok() && !multi->Fits(multi->cookies)) args.Reject(4, "has another length than the functions");
  if (!args.ok()) return nullptr;
  multi->object = program->object;
  multi->program = program->get();
  return multi;
}

std::shared_ptr<Multi> TakeUprobeMulti(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  auto multi = std::make_shared<Multi>();
  multi->pid = args.i32(1);
  multi->binary = args.string(2);
  multi->pattern = args.optionalString(3);
  multi->symbols = args.optionalStrings(4);
  multi->addresses = args.optionalU64s(5);
  multi->ref_counters = args.optionalU64s(6);
  multi->cookies = args.optionalU64s(7);
  multi->retprobe = args.boolean(8);
  multi->session = args.boolean(9);
  if (args.ok() && !multi->Fits(multi->ref_counters)) args.Reject(6, "has another length than the functions");
  if (args.ok() && !multi->Fits(multi->cookies)) args.Reject(7, "has another length than the functions");
  if (!args.ok()) return nullptr;
  multi->object = program->object;
  multi->program = program->get();
  return multi;
}

// `data` is the name of the libbpf function.
template <auto Take, int (Multi::*Attach)()>
napi_value MultiSync(napi_env env, napi_callback_info info) {
  std::shared_ptr<Multi> multi = Take(env, info);
  auto* operation = static_cast<const char*>(Args(env, info).data());
  if (!multi || !Call(env, operation, [&] { return ((*multi).*Attach)(); })) return nullptr;
  return WrapLink(env, multi->link, multi->object);
}

template <auto Take, int (Multi::*Attach)()>
napi_value MultiAsync(napi_env env, napi_callback_info info) {
  std::shared_ptr<Multi> multi = Take(env, info);
  auto* operation = static_cast<const char*>(Args(env, info).data());
  if (!multi) return nullptr;
  multi->object->users++;
  return CallAsync(
      env, operation, [multi] { return ((*multi).*Attach)(); },
      [multi, env](int) {
        // The object was closed in the meantime, so nobody could ever detach this link.
        if (multi->object->doomed || Environment::Of(env).ending()) {
          bpf_link__destroy(multi->link);
          multi->link = nullptr;
        }
        LeaveObject(Environment::Of(env), *multi->object);
      },
      [multi](napi_env env) {
        return multi->link != nullptr ? WrapLink(env, multi->link, multi->object) : Undefined(env);
      });
}

// ---- Probes in programs

napi_value Uprobe(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int pid = args.i32(1);
  std::string binary = args.string(2);
  auto symbol = args.optionalString(3);
  size_t offset = args.u53(4);
  bpf_uprobe_opts options;
  InitOptions(options);
  options.retprobe = args.boolean(5);
  options.ref_ctr_offset = args.u53(6);
  options.bpf_cookie = args.bigint(7);
  options.attach_mode = Mode(args, 8);
  if (!args.ok()) return nullptr;
  options.func_name = symbol ? symbol->c_str() : nullptr;
  return ToLink(env, program, "bpf_program__attach_uprobe_opts", [&](bpf_program* attached) {
    return bpf_program__attach_uprobe_opts(attached, pid, binary.c_str(), offset, &options);
  });
}

napi_value Usdt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int pid = args.i32(1);
  std::string binary = args.string(2);
  std::string provider = args.string(3);
  std::string name = args.string(4);
  bpf_usdt_opts options;
  InitOptions(options);
  options.usdt_cookie = args.bigint(5);
  if (!args.ok()) return nullptr;
  LinkState link;
  bool attached = Call(env, "bpf_program__attach_usdt", [&] {
    std::lock_guard lock(program->object->attaching);
    link.link = bpf_program__attach_usdt(program->get(), pid, binary.c_str(), provider.c_str(), name.c_str(),
                                         &options);
    return ErrorOf(link.link);
  });
  if (!attached) return nullptr;
  link.object = program->object;
  link.usdt = true;
  return WrapLink(env, std::move(link));
}

// ---- Tracepoints and tracing

napi_value Tracepoint(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  std::string category = args.string(1);
  std::string name = args.string(2);
  bpf_tracepoint_opts options;
  InitOptions(options);
  options.bpf_cookie = args.bigint(3);
  if (!args.ok()) return nullptr;
  return ToLink(env, program, "bpf_program__attach_tracepoint_opts", [&](bpf_program* attached) {
    return bpf_program__attach_tracepoint_opts(attached, category.c_str(), name.c_str(), &options);
  });
}

napi_value RawTracepoint(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  std::string name = args.string(1);
  bpf_raw_tracepoint_opts options;
  InitOptions(options);
  options.cookie = args.bigint(2);
  if (!args.ok()) return nullptr;
  return ToLink(env, program, "bpf_program__attach_raw_tracepoint_opts", [&](bpf_program* attached) {
    return bpf_program__attach_raw_tracepoint_opts(attached, name.c_str(), &options);
  });
}

// Whether nobody knows what SEC() says, and so how the program is meant to be attached: see programAdopt.
bool HasNoSection(const Program* program) { return *bpf_program__section_name(program->get()) == '\0'; }

// Attaches a tracing, LSM or freplace program to the target that it was loaded with. The kernel knows how.
napi_value ByItself(napi_env env, const Program* program) {
  int fd = -1;
  bool attached = Call(env, "bpf_raw_tracepoint_open", [&] {
    return fd = bpf_raw_tracepoint_open(nullptr, bpf_program__fd(program->get()));
  });
  return attached ? ToFdLink(env, program, UniqueFd(fd)) : nullptr;
}

napi_value Trace(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  bpf_trace_opts options;
  InitOptions(options);
  options.cookie = args.bigint(1);
  if (!args.ok()) return nullptr;
  if (HasNoSection(program) && options.cookie == 0) return ByItself(env, program);
  return ToLink(env, program, "bpf_program__attach_trace_opts",
                [&](bpf_program* attached) { return bpf_program__attach_trace_opts(attached, &options); });
}

napi_value Lsm(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  if (HasNoSection(program)) return ByItself(env, program);
  return ToLink(env, program, "bpf_program__attach_lsm", bpf_program__attach_lsm);
}

napi_value Freplace(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int target = args.i32(1);
  auto function = args.optionalString(2);
  if (!args.ok()) return nullptr;
  if (HasNoSection(program) && target == 0) return ByItself(env, program);
  return ToLink(env, program, "bpf_program__attach_freplace", [&](bpf_program* attached) {
    return bpf_program__attach_freplace(attached, target, function ? function->c_str() : nullptr);
  });
}

// ---- Targets with a descriptor or an ifindex

napi_value LinkCreate(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int target = args.i32(1);
  auto type = static_cast<bpf_attach_type>(args.integer(2, 0, __MAX_BPF_ATTACH_TYPE - 1));
  bpf_link_create_opts options;
  InitOptions(options);
  options.flags = args.u32(3);
  int relative_fd = args.i32(4);
  uint32_t relative_id = args.u32(5);
  uint64_t revision = args.bigint(6);
  if (!args.ok()) return nullptr;
  int fd = -1;
  bool attached = Call(env, "bpf_link_create", [&] {
    if (type == BPF_TCX_INGRESS || type == BPF_TCX_EGRESS || type == BPF_NETKIT_PRIMARY ||
        type == BPF_NETKIT_PEER) {
      // options.netkit has the same layout, in a union with options.tcx.
      options.tcx.relative_fd = static_cast<uint32_t>(relative_fd);
      options.tcx.relative_id = relative_id;
      options.tcx.expected_revision = revision;
    } else if (!SetCgroupAnchor(options, relative_fd, relative_id, revision, 0)) {
      return -EOPNOTSUPP;
    }
    return fd = bpf_link_create(bpf_program__fd(program->get()), target, type, &options);
  });
  return attached ? ToFdLink(env, program, UniqueFd(fd)) : nullptr;
}

// Copies of both descriptors, for detaching a program that was attached without a kernel link.
struct ByDescriptor {
  ByDescriptor(int program, int target)
      : program(UniqueFd::Duplicate(program)), target(UniqueFd::Duplicate(target)) {}
  const UniqueFd program;
  const UniqueFd target;
};

napi_value ProgAttach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int target = args.i32(1);
  auto type = static_cast<bpf_attach_type>(args.integer(2, 0, __MAX_BPF_ATTACH_TYPE - 1));
  struct bpf_prog_attach_opts options;
  InitOptions(options);
  options.flags = args.u32(3);
  options.replace_prog_fd = args.i32(4);
  if (!args.ok()) return nullptr;
  auto attachment = std::make_shared<ByDescriptor>(bpf_program__fd(program->get()), target);
  bool attached = Call(env, "bpf_prog_attach", [&] {
    if (!attachment->program.IsOpen() || !attachment->target.IsOpen()) return -EBADF;
    return bpf_prog_attach_opts(attachment->program.get(), attachment->target.get(), type, &options);
  });
  if (!attached) return nullptr;
  return WrapLink(env, program->object, [attachment, type] {
    bpf_prog_detach2(attachment->program.get(), attachment->target.get(), type);
  });
}

napi_value Detach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int program = args.i32(0);
  int target = args.i32(1);
  auto type = static_cast<bpf_attach_type>(args.integer(2, 0, __MAX_BPF_ATTACH_TYPE - 1));
  struct bpf_prog_detach_opts options;
  InitOptions(options);
  options.expected_revision = args.bigint(3);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_prog_detach", [&] { return bpf_prog_detach_opts(program, target, type, &options); });
  return Undefined(env);
}

napi_value Netfilter(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  bpf_netfilter_opts options;
  InitOptions(options);
  options.pf = args.u32(1);
  options.hooknum = args.u32(2);
  options.priority = args.i32(3);
  options.flags = args.u32(4);
  if (!args.ok()) return nullptr;
  return ToLink(env, program, "bpf_program__attach_netfilter",
                [&](bpf_program* attached) { return bpf_program__attach_netfilter(attached, &options); });
}

// ---- Iterators

napi_value IterOver(napi_env env, const Program* program, bpf_iter_link_info* over) {
  bpf_iter_attach_opts options;
  InitOptions(options);
  options.link_info = over;
  options.link_info_len = over != nullptr ? sizeof(*over) : 0;
  return ToLink(env, program, "bpf_program__attach_iter",
                [&](bpf_program* attached) { return bpf_program__attach_iter(attached, &options); });
}

napi_value Iter(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  return args.ok() ? IterOver(env, program, nullptr) : nullptr;
}

napi_value IterMap(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  bpf_iter_link_info over;
  Zero(over);
  over.map.map_fd = static_cast<uint32_t>(args.i32(1));
  return args.ok() ? IterOver(env, program, &over) : nullptr;
}

napi_value IterTask(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  bpf_iter_link_info over;
  Zero(over);
  over.task.tid = args.u32(1);
  over.task.pid = args.u32(2);
  over.task.pid_fd = args.u32(3);
  return args.ok() ? IterOver(env, program, &over) : nullptr;
}

napi_value IterCgroup(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  bpf_iter_link_info over;
  Zero(over);
  over.cgroup.order = static_cast<bpf_cgroup_iter_order>(args.integer(1, 0, BPF_CGROUP_ITER_ANCESTORS_UP));
  over.cgroup.cgroup_fd = args.u32(2);
  over.cgroup.cgroup_id = args.bigint(3);
  return args.ok() ? IterOver(env, program, &over) : nullptr;
}

}  // namespace

void DefineAttach(napi_env env, napi_value exports) {
  constexpr auto* kKprobeMulti = "bpf_program__attach_kprobe_multi_opts";
  constexpr auto* kUprobeMulti = "bpf_program__attach_uprobe_multi";
  Define(
      env, exports,
      {
          {"programAttachKprobe", Kprobe},
          {"programAttachKsyscall", Ksyscall},
          {"programAttachKprobeMulti", MultiAsync<TakeKprobeMulti, &Multi::AttachKprobes>, kKprobeMulti},
          {"programAttachKprobeMultiSync", MultiSync<TakeKprobeMulti, &Multi::AttachKprobes>, kKprobeMulti},
          {"programAttachUprobe", Uprobe},
          {"programAttachUprobeMulti", MultiAsync<TakeUprobeMulti, &Multi::AttachUprobes>, kUprobeMulti},
          {"programAttachUprobeMultiSync", MultiSync<TakeUprobeMulti, &Multi::AttachUprobes>, kUprobeMulti},
          {"programAttachUsdt", Usdt},
          {"programAttachTracepoint", Tracepoint},
          {"programAttachRawTracepoint", RawTracepoint},
          {"programAttachTrace", Trace},
          {"programAttachLsm", Lsm},
          {"programAttachFreplace", Freplace},
          {"programLinkCreate", LinkCreate},
          {"programProgAttach", ProgAttach},
          {"programDetach", Detach},
          {"programAttachNetfilter", Netfilter},
          {"programAttachIter", Iter},
          {"programAttachIterMap", IterMap},
          {"programAttachIterTask", IterTask},
          {"programAttachIterCgroup", IterCgroup},
      });
}
