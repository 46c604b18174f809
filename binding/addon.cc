#include "addon.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "util/call.h"

void Define(napi_env env, napi_value exports, std::initializer_list<Function> functions) {
  for (const Function& function : functions) {
    napi_value value = nullptr;
    napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.call,
                         const_cast<char*>(function.data), &value);
    napi_set_named_property(env, exports, function.name, value);
  }
}

namespace {

napi_value Initialize(napi_env env, napi_callback_info info) {
  Args args(env, info);
  napi_value log = args.function(0);
  if (args.ok()) Environment::Of(env).log = Napi::Persistent(Napi::Function(env, log));
  return Undefined(env);
}

napi_value SetLogLevel(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int level = static_cast<int>(args.integer(0, -1, LIBBPF_DEBUG));
  if (args.ok()) Environment::Of(env).log_level = level;
  return Undefined(env);
}

napi_value LongLogText(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* log = args.handle<LongLog>(0);
  return args.ok() ? LongText(env, log->text) : nullptr;
}

napi_value LibbpfVersion(napi_env env, napi_callback_info) { return ToJs(env, libbpf_version_string()); }

napi_value PossibleCpus(napi_env env, napi_callback_info) {
  int count = 0;
  bool known = Call(env, "libbpf_num_possible_cpus", [&] { return count = libbpf_num_possible_cpus(); });
  return known ? ToJs(env, count) : nullptr;
}

napi_value StrError(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int error = static_cast<int>(args.integer(0, 0, INT32_MAX));
  if (!args.ok()) return nullptr;
  char text[128];
  libbpf_strerror(error, text, sizeof(text));
  return ToJs(env, text);
}

template <class Enum, const char* (*Name)(Enum)>
napi_value NameOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t value = args.u32(0);
  return args.ok() ? ToJs(env, Name(static_cast<Enum>(value))) : nullptr;
}

napi_value SetMemlockRlimit(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint64_t bytes = args.u53(0);
  if (!args.ok()) return nullptr;
  Call(env, "libbpf_set_memlock_rlim", [&] { return libbpf_set_memlock_rlim(bytes); });
  return Undefined(env);
}

}  // namespace

NAPI_MODULE_INIT() {
  if (!Environment::Create(env)) return nullptr;
  Define(env, exports,
         {
             {"initialize", Initialize},
             {"setLogLevel", SetLogLevel},
             {"longLogText", LongLogText},
             {"libbpfVersion", LibbpfVersion},
             {"possibleCpus", PossibleCpus},
             {"strerror", StrError},
             {"programTypeName", NameOf<bpf_prog_type, libbpf_bpf_prog_type_str>},
             {"mapTypeName", NameOf<bpf_map_type, libbpf_bpf_map_type_str>},
             {"attachTypeName", NameOf<bpf_attach_type, libbpf_bpf_attach_type_str>},
             {"linkTypeName", NameOf<bpf_link_type, libbpf_bpf_link_type_str>},
             {"setMemlockRlimit", SetMemlockRlimit},
         });
  DefineQuery(env, exports);
  DefineFeatures(env, exports);
  DefineObject(env, exports);
  DefineForeign(env, exports);
  DefineProgram(env, exports);
  DefineTestRun(env, exports);
  DefineProgramInfo(env, exports);
  DefineAttach(env, exports);
  DefinePerfEvent(env, exports);
  DefineNetlink(env, exports);
  DefineXdp(env, exports);
  DefineXskUmem(env, exports);
  DefineXsk(env, exports);
  DefineTrial(env, exports);
  DefineHookNames(env, exports);
  DefineTc(env, exports);
  DefineTcFilters(env, exports);
  DefineSocket(env, exports);
  DefineMap(env, exports);
  DefineMapDeclaration(env, exports);
  DefineSectionMemory(env, exports);
  DefineMapElements(env, exports);
  DefineMappedMemory(env, exports);
  DefinePidfd(env, exports);
  DefineDemangle(env, exports);
  DefineDescriptor(env, exports);
  DefineLink(env, exports);
  DefineLinkInfo(env, exports);
  DefineEventSource(env, exports);
  DefineRingBuffer(env, exports);
  DefinePerfBuffer(env, exports);
  DefinePacketSocket(env, exports);
  DefineUserRingBuffer(env, exports);
  DefineBtf(env, exports);
  DefineLinker(env, exports);
  return exports;
}
