#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <memory>

#include "addon.h"
#include "util/call.h"

namespace {

// Shared, because split BTF points into its base.
struct BtfState {
  ~BtfState() { btf__free(types); }

  btf* types = nullptr;
  std::shared_ptr<BtfState> base;
};

class Btf : public Handle {
 public:
  static constexpr Kind kKind = Kind::kBtf;
  Btf() : Handle(kKind), state(std::make_shared<BtfState>()) {}
  const char* Refusal() const override { return state ? nullptr : "ERR_BPF_CLOSED"; }

  std::shared_ptr<BtfState> state;
};

napi_value LoadKernel(napi_env env, napi_callback_info) {
  auto handle = std::make_unique<Btf>();
  bool loaded = Call(env, "btf__load_vmlinux_btf",
                     [&] { return ErrorOf(handle->state->types = btf__load_vmlinux_btf()); });
  return loaded ? Wrap(env, handle.release()) : nullptr;
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
    return ErrorOf(state.types);
  });
  return parsed ? Wrap(env, handle.release()) : nullptr;
}

napi_value RawBytes(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<Btf>(0);
  if (!args.ok()) return nullptr;
  uint32_t size = 0;
  const void* bytes = btf__raw_data(handle->state->types, &size);
  return bytes != nullptr ? CopyBytes(env, bytes, size) : Throw(env, "btf__raw_data", -errno);
}

void Append(void* text, const char* format, va_list arguments) {
  char* piece = nullptr;
  int length = vasprintf(&piece, format, arguments);
  if (length < 0) return;
  static_cast<std::string*>(text)->append(piece, static_cast<size_t>(length));
  free(piece);
}

napi_value ToC(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<Btf>(0);
  if (!args.ok()) return nullptr;
  const btf* types = handle->state->types;
  std::vector<uint32_t> ids;
  if (args.is(1, napi_undefined)) {
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
    std::unique_ptr<btf_dump, void (*)(btf_dump*)> dump(btf_dump__new(types, Append, &text, nullptr),
                                                        btf_dump__free);
    if (!dump) return -errno;
    for (uint32_t id : ids) {
      int error = btf_dump__dump_type(dump.get(), id);
      if (error != 0) return error;
    }
    return 0;
  });
  return dumped ? ToJs(env, text) : nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.closable<Btf>(0);
  if (args.ok()) handle->state.reset();
  return Undefined(env);
}

}  // namespace

void DefineBtf(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"btfLoadKernel", LoadKernel},
             {"btfNew", New},
             {"btfBytes", RawBytes},
             {"btfToC", ToC},
             {"btfClose", Close},
         });
}
