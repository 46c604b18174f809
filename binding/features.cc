// What this kernel supports, found out with libbpf's probes and by loading small programs.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <cstring>
#include <vector>

#include "addon.h"
#include "util/call.h"
#include "util/options.h"
#include "util/unique_fd.h"

namespace {

// Runs `work`, which never fails, and turns its result into a JavaScript value with `show`. If the function
// was registered with `data`, it runs on libuv's pool.
template <class Result, class Work, class Show>
napi_value Answer(napi_env env, const Args& args, Work work, Show show) {
  auto result = std::make_shared<Result>();
  auto fill = [result, work] {
    *result = work();
    return 0;
  };
  auto done = [result, show](napi_env env) { return show(env, *result); };
  if (args.data() != nullptr)
    return CallAsync(
        env, "bpf", fill, [](int) {}, done);
  return Call(env, "bpf", fill) ? done(env) : nullptr;
}

napi_value ShowInt(napi_env env, int value) { return ToJs(env, value); }

// libbpf's probes return 0 for every refusal, but errno still has the kernel's error. Negative results come
// from libbpf itself.
template <class Probe>
int Refusal(Probe probe) {
  errno = 0;
  int answer = probe();
  return answer == 0 ? -errno : answer;
}

napi_value ProbeProgramType(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<bpf_prog_type>(args.u32(0));
  if (!args.ok()) return nullptr;
  auto probe = [type] { return Refusal([&] { return libbpf_probe_bpf_prog_type(type, nullptr); }); };
  return Answer<int>(env, args, probe, ShowInt);
}

napi_value ProbeMapType(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<bpf_map_type>(args.u32(0));
  if (!args.ok()) return nullptr;
  auto probe = [type] { return Refusal([&] { return libbpf_probe_bpf_map_type(type, nullptr); }); };
  return Answer<int>(env, args, probe, ShowInt);
}

// Every probe loads a program. The kernel has about 210 helpers.
constexpr int kMostHelpers = 1024;

// For each helper 1 or 0, or a negative errno for a program type that libbpf cannot ask about.
napi_value ProbeHelpers(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<bpf_prog_type>(args.u32(0));
  auto first = static_cast<int>(args.integer(1, 0, kMostHelpers));
  auto end = static_cast<int>(args.integer(2, first, kMostHelpers));
  if (!args.ok()) return nullptr;
  auto probe = [type, first, end] {
    std::vector<int> answers;
    for (int id = first; id < end; id++) {
      answers.push_back(libbpf_probe_bpf_helper(type, static_cast<bpf_func_id>(id), nullptr));
    }
    return answers;
  };
  return Answer<std::vector<int>>(env, args, probe, [](napi_env env, const std::vector<int>& answers) {
    auto result = Napi::Array::New(env, answers.size());
    for (uint32_t i = 0; i < answers.size(); i++) result.Set(i, answers[i]);
    return static_cast<napi_value>(result);
  });
}

// How a program is attached to something that does not exist. The errno tells whether the kernel supports it.
enum How {
  kLoadOnly,
  kLinkToNoFd,
  kLinkToNoTarget,
  kAttachToNoFd,
  kRawTracepointOfNoName,
  kKprobeMultiOfBadMemory,
  kUprobeMultiOfFolder,
  kXdpOnLoopbackDriver,
  kHowCount,
};

// Returns a descriptor or a negative errno.
int Attach(int program, bpf_attach_type type, How how) {
  bpf_link_create_opts options;
  InitOptions(options);
  const unsigned long offset = 0;
  switch (how) {
    case kLinkToNoFd:
      return bpf_link_create(program, -1, type, &options);
    case kLinkToNoTarget:
      return bpf_link_create(program, 0, type, &options);
    case kAttachToNoFd:
      return bpf_prog_attach(program, -1, type, 0);
    case kRawTracepointOfNoName:
      return bpf_raw_tracepoint_open("libbpf_node_no_such", program);
    case kKprobeMultiOfBadMemory:
      options.kprobe_multi.cnt = 1;
      options.kprobe_multi.addrs = reinterpret_cast<const unsigned long*>(1);
      return bpf_link_create(program, 0, type, &options);
    case kUprobeMultiOfFolder:
      options.uprobe_multi.path = "/";
      options.uprobe_multi.offsets = &offset;
      options.uprobe_multi.cnt = 1;
      return bpf_link_create(program, -1, type, &options);
    case kXdpOnLoopbackDriver:
      // Loopback has index 1 and no driver that supports XDP.
      options.flags = XDP_FLAGS_DRV_MODE;
      return bpf_link_create(program, 1, type, &options);
    default:
      return 0;
  }
}

struct Loaded {
  int load = 0;
  int attach = 0;
  std::string log;
};

napi_value ProbeLoad(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<bpf_prog_type>(args.u32(0));
  auto attach_type = static_cast<bpf_attach_type>(args.u32(1));
  uint32_t btf_id = args.u32(2);
  uint32_t flags = args.u32(3);
  Bytes code = args.bytes(4);
  auto how = static_cast<How>(args.integer(5, 0, kHowCount - 1));
  if (code.size == 0 || code.size % sizeof(bpf_insn) != 0) args.Reject(4, "is not a number of instructions");
  if (!args.ok()) return nullptr;
  std::vector<bpf_insn> insns(code.size / sizeof(bpf_insn));
  memcpy(insns.data(), code.data, code.size);
  auto probe = [=] {
    // For a long program only the load counts, so it gets no log.
    char log[8192] = "";
    bpf_prog_load_opts options;
    InitOptions(options);
    options.expected_attach_type = attach_type;
    options.attach_btf_id = btf_id;
    options.prog_flags = flags;
    if (insns.size() < 64) {
      options.log_buf = log;
      options.log_size = sizeof(log);
      options.log_level = 1;
    }
    Loaded loaded;
    UniqueFd program(bpf_prog_load(type, nullptr, "GPL", insns.data(), insns.size(), &options));
    loaded.load = program.IsOpen() ? 0 : program.get();
    loaded.log = log;
    if (!program.IsOpen()) return loaded;
    int link = Attach(program.get(), attach_type, how);
    loaded.attach = link < 0 ? link : 0;
    UniqueFd attached(link > 0 ? link : -1);
    return loaded;
  };
  return Answer<Loaded>(env, args, probe, [](napi_env env, const Loaded& loaded) {
    auto result = Napi::Object::New(env);
    result["load"] = loaded.load;
    result["attach"] = loaded.attach;
    result["log"] = loaded.log;
    return static_cast<napi_value>(result);
  });
}

// The names in libbpf's copy of linux/bpf.h, by number.
napi_value HelperNames(napi_env env, napi_callback_info) {
  const char* const names[] = {
#define NAME(name) #name
      __BPF_FUNC_MAPPER(NAME)
#undef NAME
  };
  auto result = Napi::Array::New(env);
  uint32_t i = 0;
  for (const char* name : names) result.Set(i++, name);
  return result;
}

}  // namespace

void DefineFeatures(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"probeProgramType", ProbeProgramType},
             {"probeProgramTypeAsync", ProbeProgramType, "async"},
             {"probeMapType", ProbeMapType},
             {"probeMapTypeAsync", ProbeMapType, "async"},
             {"probeHelpers", ProbeHelpers},
             {"probeHelpersAsync", ProbeHelpers, "async"},
             {"probeLoad", ProbeLoad},
             {"probeLoadAsync", ProbeLoad, "async"},
             {"helperNames", HelperNames},
         });
}
