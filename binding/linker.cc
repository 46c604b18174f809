#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "addon.h"
#include "guard/elf_check.h"
#include "guard/readable_file.h"
#include "util/call.h"
#include "util/compat.h"
#include "util/unique_fd.h"

namespace {

// A bpf_linker and the memory file that it writes to. Tasks on the pool share it.
struct LinkerState {
  ~LinkerState() { Free(); }

  void Free() {
    bpf_linker__free(linker);
    linker = nullptr;
    fd.Reset();
  }

  bpf_linker* linker = nullptr;
  UniqueFd fd;
  bool busy = false;
  // It was closed while it was busy.
  bool doomed = false;
  // It has failed, or has returned its result. libbpf cannot use it any more.
  bool over = false;
};

class Linker : public Handle {
 public:
  static constexpr Kind kKind = Kind::kLinker;
  Linker() : Handle(kKind), state(std::make_shared<LinkerState>()) {}
  const char* Refusal() const override {
    if (state->linker == nullptr || state->doomed) return "ERR_BPF_CLOSED";
    return state->busy ? "ERR_BPF_BUSY" : nullptr;
  }

  std::shared_ptr<LinkerState> state;
};

napi_value New(napi_env env, napi_callback_info) {
  auto handle = std::make_unique<Linker>();
  LinkerState& state = *handle->state;
  bool made = Call(env, "bpf_linker__new", [&] {
    state.fd.Reset(memfd_create("libbpf-node-linker", MFD_CLOEXEC));
    if (!state.fd.IsOpen()) return -errno;
    return ErrorOf(state.linker = bpf_linker__new_fd(state.fd.get(), nullptr));
  });
  return made ? Wrap(env, handle.release()) : nullptr;
}

// Returns the state of a linker that can still be used.
std::shared_ptr<LinkerState> Usable(napi_env env, Args& args) {
  auto* handle = args.handle<Linker>(0);
  if (!args.ok()) return nullptr;
  if (handle->state->over) {
    napi_throw_error(env, "ERR_BPF_STATE", "it has failed, or is finished");
    return nullptr;
  }
  return handle->state;
}

struct Source {
  std::string path;
  std::optional<OwnedBytes> bytes;

  int AddTo(LinkerState& state) {
    int error = bytes ? 0 : ExpectReadable(path.c_str());
    if (error == 0) error = bytes ? ElfCheck::Run(bytes->data(), bytes->size()) : ElfCheck::Run(path.c_str());
    if (error != 0) return error;
    return bytes ? bpf_linker__add_buf(state.linker, bytes->data(), bytes->size(), nullptr)
                 : bpf_linker__add_file(state.linker, path.c_str(), nullptr);
  }
  const char* Operation() const { return bytes ? "bpf_linker__add_buf" : "bpf_linker__add_file"; }
};

// Bytes are copied, because the caller could change them while the pool reads them.
Source SourceOf(Args& args, size_t i) {
  if (args.is(i, napi_string)) return {args.string(i), std::nullopt};
  return {"", args.copy(i)};
}

napi_value AddSync(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto state = Usable(env, args);
  if (!state) return nullptr;
  Source source = SourceOf(args, 1);
  if (!args.ok()) return nullptr;
  if (!Call(env, source.Operation(), [&] { return source.AddTo(*state); })) state->over = true;
  return Undefined(env);
}

// Runs `work` on the pool. Meanwhile the linker is busy for everything else.
template <class Work, class Done>
napi_value OnPool(napi_env env, const char* operation, std::shared_ptr<LinkerState> state, Work work,
                  Done done) {
  state->busy = true;
  return CallAsync(
      env, operation, std::move(work),
      [state](int result) {
        state->busy = false;
        if (result < 0) state->over = true;
        if (state->doomed) state->Free();
      },
      std::move(done));
}

napi_value Add(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto state = Usable(env, args);
  if (!state) return nullptr;
  Source source = SourceOf(args, 1);
  if (!args.ok()) return nullptr;
  const char* operation = source.Operation();
  return OnPool(
      env, operation, state, [state, source = std::move(source)]() mutable { return source.AddTo(*state); },
      [](napi_env env) { return Undefined(env); });
}

int Finalize(LinkerState& state, OwnedBytes& output) {
  int error = bpf_linker__finalize(state.linker);
  if (error != 0) return error;
  off_t size = lseek(state.fd.get(), 0, SEEK_END);
  if (size < 0) return -errno;
  output = OwnedBytes::Zeroed(static_cast<size_t>(size));
  if (output.failed()) return -ENOMEM;
  for (size_t at = 0; at < output.size();) {
    ssize_t count = pread(state.fd.get(), output.data() + at, output.size() - at, static_cast<off_t>(at));
    if (count < 0) return -errno;
    if (count == 0) return -EIO;
    at += static_cast<size_t>(count);
  }
  return 0;
}

constexpr const char* kFinalize = "bpf_linker__finalize";

napi_value FinalizeSync(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto state = Usable(env, args);
  if (!state) return nullptr;
  state->over = true;
  OwnedBytes output;
  if (!Call(env, kFinalize, [&] { return Finalize(*state, output); })) return nullptr;
  return CopyBytes(env, output.data(), output.size());
}

napi_value FinalizeAsync(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto state = Usable(env, args);
  if (!state) return nullptr;
  state->over = true;
  auto output = std::make_shared<OwnedBytes>();
  return OnPool(
      env, kFinalize, state, [state, output] { return Finalize(*state, *output); },
      [output](napi_env env) { return CopyBytes(env, output->data(), output->size()); });
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.closable<Linker>(0);
  if (!args.ok()) return nullptr;
  if (handle->state->busy) {
    handle->state->doomed = true;
  } else {
    handle->state->Free();
  }
  return Undefined(env);
}

}  // namespace

void DefineLinker(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"linkerNew", New},
             {"linkerAdd", Add},
             {"linkerAddSync", AddSync},
             {"linkerFinalize", FinalizeAsync},
             {"linkerFinalizeSync", FinalizeSync},
             {"linkerClose", Close},
         });
}
