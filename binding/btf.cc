#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "addon.h"
#include "btf_dump.h"
#include "guard/btf_check.h"
#include "guard/readable_file.h"
#include "util/call.h"
#include "util/options.h"
#include "util/unique_fd.h"

namespace {

// Shared, because split BTF refers to the types of its base.
struct BtfState {
  ~BtfState() {
    btf_dump__free(data_dump);
    btf__free(types);
  }

  btf* types = nullptr;
  // Created on first use, because it takes milliseconds for the types of a kernel.
  btf_dump* data_dump = nullptr;
  std::string dumped;
  std::shared_ptr<BtfState> base;
};

class Btf : public Handle {
 public:
  static constexpr Kind kKind = Kind::kBtf;
  Btf() : Handle(kKind), state(std::make_shared<BtfState>()) {}
  const char* Refusal() const override { return state ? nullptr : "ERR_BPF_CLOSED"; }

  std::shared_ptr<BtfState> state;
};

// Tells V8 how much memory the types take: megabytes for the types of a kernel.
napi_value WrapAccounted(napi_env env, std::unique_ptr<Btf> handle) {
  uint32_t size = 0;
  btf__raw_data(handle->state->types, &size);
  handle->Account(env, size);
  return Wrap(env, handle.release());
}

napi_value LoadKernel(napi_env env, napi_callback_info) {
  auto handle = std::make_unique<Btf>();
  bool loaded = Call(env, "btf__load_vmlinux_btf",
                     [&] { return ErrorOf(handle->state->types = btf__load_vmlinux_btf()); });
  return loaded ? WrapAccounted(env, std::move(handle)) : nullptr;
}

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Bytes bytes = args.bytes(0);
  Btf* base = args.is(1, napi_undefined) ? nullptr : args.handle<Btf>(1);
  if (bytes.size > UINT32_MAX) args.Reject(0, "is too long");
  if (!args.ok()) return nullptr;
  auto handle = std::make_unique<Btf>();
  BtfState& state = *handle->state;
  if (base != nullptr) state.base = base->state;
  bool parsed = Call(env, "btf__new", [&] {
    auto size = static_cast<uint32_t>(bytes.size);
    state.types =
        base != nullptr ? btf__new_split(bytes.data, size, base->state->types) : btf__new(bytes.data, size);
    return state.types != nullptr ? BtfCheck::Run(state.types) : -errno;
  });
  return parsed ? WrapAccounted(env, std::move(handle)) : nullptr;
}

// The base is optional: undefined means none.
Btf* OptionalBase(Args& args, size_t i) { return args.is(i, napi_undefined) ? nullptr : args.handle<Btf>(i); }

// Types that `load` reads. If there is a base, they are split BTF.
template <class Load>
napi_value Loaded(napi_env env, const char* operation, Btf* base, Load load) {
  auto handle = std::make_unique<Btf>();
  BtfState& state = *handle->state;
  if (base != nullptr) state.base = base->state;
  bool loaded = Call(env, operation, [&] {
    state.types = load(base != nullptr ? base->state->types : nullptr);
    return state.types != nullptr ? BtfCheck::Run(state.types) : -errno;
  });
  return loaded ? WrapAccounted(env, std::move(handle)) : nullptr;
}

napi_value Parse(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string path = args.string(0);
  Btf* base = OptionalBase(args, 1);
  if (!args.ok()) return nullptr;
  return Loaded(env, "btf__parse", base, [&](btf* types) {
    int error = ExpectReadable(path.c_str());
    if (error == 0) return btf__parse_split(path.c_str(), types);
    errno = -error;
    return static_cast<btf*>(nullptr);
  });
}

// Loads the types into the kernel, for maps that have them.
napi_value LoadForMaps(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* btf = args.handle<Btf>(0);
  bpf_btf_load_opts options;
  InitOptions(options);
  int token = args.i32(1);
  if (!args.ok()) return nullptr;
  if (token >= 0) {
    options.token_fd = static_cast<uint32_t>(token);
    options.btf_flags = BPF_F_TOKEN_FD;
  }
  uint32_t size = 0;
  const void* bytes = btf__raw_data(btf->state->types, &size);
  int fd = -1;
  bool loaded = Call(env, "bpf_btf_load", [&] { return fd = bpf_btf_load(bytes, size, &options); });
  return loaded ? HandOut(env, UniqueFd(fd)) : nullptr;
}

napi_value LoadModule(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string name = args.string(0);
  auto* base = args.handle<Btf>(1);
  if (!args.ok()) return nullptr;
  return Loaded(env, "btf__load_module_btf", base,
                [&](btf* types) { return btf__load_module_btf(name.c_str(), types); });
}

napi_value LoadById(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t id = args.u32(0);
  Btf* base = OptionalBase(args, 1);
  if (!args.ok()) return nullptr;
  return Loaded(env, "btf__load_from_kernel_by_id_split", base,
                [&](btf* types) { return btf__load_from_kernel_by_id_split(id, types); });
}

napi_value Info(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t id = args.u32(0);
  if (!args.ok()) return nullptr;
  bpf_btf_info found;
  Zero(found);
  char name[64] = "";
  found.name = reinterpret_cast<uintptr_t>(name);
  found.name_len = sizeof(name);
  bool known = Call(env, "bpf_btf_get_info_by_fd", [&] {
    UniqueFd fd(bpf_btf_get_fd_by_id(id));
    if (!fd.IsOpen()) return fd.get();
    uint32_t size = sizeof(found);
    int error = bpf_btf_get_info_by_fd(fd.get(), &found, &size);
    if (error == -E2BIG) {
      // Before Linux 5.11 there was no name, and all BTF in the kernel belonged to programs.
      Zero(found);
      size = offsetof(bpf_btf_info, name);
      error = bpf_btf_get_info_by_fd(fd.get(), &found, &size);
    }
    return error;
  });
  if (!known) return nullptr;
  napi_value result = nullptr;
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "id", ToJs(env, uint32_t{found.id}));
  napi_set_named_property(env, result, "name", ToJs(env, name));
  napi_set_named_property(env, result, "isKernel", ToJs(env, found.kernel_btf != 0));
  napi_set_named_property(env, result, "size", ToJs(env, uint32_t{found.btf_size}));
  return result;
}

napi_value RawBytes(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<Btf>(0);
  if (!args.ok()) return nullptr;
  uint32_t size = 0;
  const void* bytes = btf__raw_data(handle->state->types, &size);
  return bytes != nullptr ? CopyBytes(env, bytes, size) : Throw(env, "btf__raw_data", -errno);
}

napi_value RawBytesIn(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<Btf>(0);
  bool is_little = args.boolean(1);
  if (!args.ok()) return nullptr;
  btf* types = handle->state->types;
  btf_endianness before = btf__endianness(types);
  btf__set_endianness(types, is_little ? BTF_LITTLE_ENDIAN : BTF_BIG_ENDIAN);
  uint32_t size = 0;
  const void* bytes = btf__raw_data(types, &size);
  napi_value result = bytes != nullptr ? CopyBytes(env, bytes, size) : Throw(env, "btf__raw_data", -errno);
  btf__set_endianness(types, before);
  return result;
}

napi_value Load(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<Btf>(0);
  if (!args.ok()) return nullptr;
  btf* types = handle->state->types;
  bpf_btf_info found;
  Zero(found);
  bool loaded = Call(env, "btf__load_into_kernel", [&] {
    int error = btf__load_into_kernel(types);
    if (error < 0) return error;
    uint32_t size = offsetof(bpf_btf_info, name);
    return bpf_btf_get_info_by_fd(btf__fd(types), &found, &size);
  });
  return loaded ? ToJs(env, uint32_t{found.id}) : nullptr;
}

napi_value Fd(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<Btf>(0);
  return args.ok() ? ToJs(env, btf__fd(handle->state->types)) : nullptr;
}

napi_value Merge(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::vector<Btf*> list = args.closables<Btf>(0);
  for (Btf* one : list)
    if (one->Refusal() != nullptr) args.Reject(0, "contains closed BTF");
  if (!args.ok()) return nullptr;
  auto handle = std::make_unique<Btf>();
  BtfState& state = *handle->state;
  bool merged = Call(env, "btf__dedup", [&] {
    state.types = btf__new_empty();
    if (state.types == nullptr) return -errno;
    for (Btf* one : list) {
      int first = btf__add_btf(state.types, one->state->types);
      if (first < 0) return first;
    }
    return btf__dedup(state.types, nullptr);
  });
  return merged ? WrapAccounted(env, std::move(handle)) : nullptr;
}

napi_value ToC(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<Btf>(0);
  if (!args.ok()) return nullptr;
  const btf* types = handle->state->types;
  std::vector<uint32_t> ids;
  bool is_everything = args.is(1, napi_undefined);
  if (is_everything) {
    for (uint32_t id = 1; id < btf__type_cnt(types); id++) ids.push_back(id);
  } else {
    napi_typedarray_type type;
    size_t count = 0;
    void* data = nullptr;
    if (napi_get_typedarray_info(env, args[1], &type, &count, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint32_array) {
      args.Reject(1, "is not a Uint32Array");
      return nullptr;
    }
    auto* wanted = static_cast<uint32_t*>(data);
    ids.assign(wanted, wanted + count);
  }
  std::string text;
  bool dumped = Call(env, "btf_dump__dump_type", [&] {
    // libbpf allocates nothing for BTF without types, and then reads it.
    if (btf__type_cnt(types) == 1) return ids.empty() ? 0 : -EINVAL;
    return AppendDeclarations(types, ids, is_everything, text);
  });
  return dumped ? ToJs(env, text) : nullptr;
}

// libbpf reads the whole type of a bitfield, which may extend beyond the data, and checks alignment against
// the address of the data. The data is therefore copied to an aligned place with some room after it.
constexpr size_t kSlack = 16;

napi_value DumpData(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<Btf>(0);
  uint32_t id = args.u32(1);
  Bytes bytes = args.bytes(2);
  OwnedBytes copy = OwnedBytes::Zeroed(bytes.size + kSlack);
  btf_dump_type_data_opts options;
  InitOptions(options);
  auto indent = args.optionalString(3);
  options.skip_names = args.boolean(4);
  options.emit_zeroes = args.boolean(5);
  if (copy.failed()) args.Reject(2, "needs more memory than there is");
  if (!args.ok()) return nullptr;
  options.compact = !indent;
  options.indent_str = indent ? indent->c_str() : nullptr;
  BtfState& state = *handle->state;
  if (bytes.size > 0) memcpy(copy.data(), bytes.data, bytes.size);
  state.dumped.clear();
  bool dumped = Call(env, "btf_dump__dump_type_data", [&] {
    if (state.data_dump == nullptr)
      state.data_dump = btf_dump__new(state.types, AppendFormatted, &state.dumped, nullptr);
    if (state.data_dump == nullptr) return -errno;
    // libbpf looks for zeroes before it checks how many bytes there are.
    int64_t size = btf__resolve_size(state.types, id);
    if (size < 0) return static_cast<int>(size);
    if (static_cast<uint64_t>(size) > bytes.size) return -E2BIG;
    return btf_dump__dump_type_data(state.data_dump, id, copy.data(), bytes.size, &options);
  });
  return dumped ? ToJs(env, state.dumped) : nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.closable<Btf>(0);
  if (args.ok()) {
    handle->Account(env, 0);
    handle->state.reset();
  }
  return Undefined(env);
}

}  // namespace

void DefineBtf(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"btfLoadKernel", LoadKernel},
             {"btfLoadForMaps", LoadForMaps},
             {"btfLoadModule", LoadModule},
             {"btfLoadById", LoadById},
             {"btfInfo", Info},
             {"btfNew", New},
             {"btfParse", Parse},
             {"btfBytes", RawBytes},
             {"btfBytesIn", RawBytesIn},
             {"btfLoad", Load},
             {"btfFd", Fd},
             {"btfMerge", Merge},
             {"btfToC", ToC},
             {"btfDumpData", DumpData},
             {"btfClose", Close},
         });
}
