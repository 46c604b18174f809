#include "object.h"

#include <bpf/btf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "addon.h"
#include "guard/btf_check.h"
#include "guard/readable_file.h"
#include "link.h"
#include "map.h"
#include "pins.h"
#include "program.h"
#include "util/call.h"
#include "util/compat.h"
#include "util/options.h"

namespace {

const char* OrNull(const std::optional<std::string>& text) { return text ? text->c_str() : nullptr; }

// The kernel accepts no longer log, and refuses the BTF first, without a word about the log.
constexpr int64_t kMostLog = UINT32_MAX >> 2;

// Writes bytes into a file in memory.
int FileOf(const OwnedBytes& bytes, UniqueFd& fd) {
  fd.Reset(memfd_create("libbpf-node-btf", MFD_CLOEXEC));
  if (!fd.IsOpen()) return -errno;
  for (size_t done = 0; done < bytes.size();) {
    ssize_t written = write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0) return -errno;
    done += static_cast<size_t>(written);
  }
  return 0;
}

napi_value Open(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bool from_bytes = !args.is(0, napi_string);
  // A copy, because another Worker could change shared memory after the bytes were checked.
  OwnedBytes bytes = from_bytes ? args.copy(0) : OwnedBytes();
  std::string path = from_bytes ? std::string() : args.string(0);
  auto name = args.optionalString(1);
  auto pin_root_path = args.optionalString(2);
  auto kconfig = args.optionalString(3);
  bool has_btf_bytes = !args.is(4, napi_undefined) && !args.is(4, napi_string);
  OwnedBytes btf_bytes = has_btf_bytes ? args.copy(4) : OwnedBytes();
  auto btf_custom_path = has_btf_bytes ? std::nullopt : args.optionalString(4);
  auto token_path = args.optionalString(5);
  bool relaxed_maps = args.boolean(6);
  uint32_t log_level = args.u32(7);
  if (!args.ok()) return nullptr;

  auto object = std::make_unique<Object>();
  ObjectState& state = *object->state;
  state.kernel_log = args.room(8, 0, kMostLog);
  if (!args.ok()) return nullptr;

  if (has_btf_bytes) {
    // libbpf only takes a path. The descriptor lives as long as the object.
    UniqueFd fd;
    if (!Call(env, "memfd_create", [&] { return FileOf(btf_bytes, fd); })) return nullptr;
    btf_custom_path = "/proc/self/fd/" + std::to_string(fd.get());
    state.held.push_back(std::move(fd));
  }

  bpf_object_open_opts options;
  InitOptions(options);
  options.object_name = OrNull(name);
  options.pin_root_path = OrNull(pin_root_path);
  options.kconfig = OrNull(kconfig);
  options.btf_custom_path = OrNull(btf_custom_path);
  options.bpf_token_path = OrNull(token_path);
  options.relaxed_maps = relaxed_maps;
  options.kernel_log_level = log_level;
  options.kernel_log_buf = reinterpret_cast<char*>(state.kernel_log.data());
  options.kernel_log_size = static_cast<uint32_t>(state.kernel_log.size());

  // libbpf reads this file when it loads, and follows its types without limit. If it cannot read the file, it
  // says so itself.
  if (btf_custom_path) {
    bool sound = Call(env, "btf__parse", [&] {
      int error = ExpectReadable(btf_custom_path->c_str());
      if (error < 0) return error;
      btf* types = btf__parse(btf_custom_path->c_str(), nullptr);
      error = BtfCheck::Run(types);
      btf__free(types);
      return error;
    });
    if (!sound) return nullptr;
  }

  const char* operation = from_bytes ? "bpf_object__open_mem" : "bpf_object__open_file";
  bool opened = Call(env, operation, [&] {
    int error = from_bytes ? 0 : ExpectReadable(path.c_str());
    if (error < 0) return error;
    state.object = from_bytes ? bpf_object__open_mem(bytes.data(), bytes.size(), &options)
                              : bpf_object__open_file(path.c_str(), &options);
    if (state.object == nullptr) return -errno;
    return BtfCheck::Run(bpf_object__btf(state.object)) == 0 ? 0 : -LIBBPF_ERRNO__FORMAT;
  });
  if (!opened) return nullptr;
  struct stat file = {};
  if (!from_bytes) stat(path.c_str(), &file);
  // About the memory that libbpf keeps: the sections of the file and what it derives from them.
  object->Account(env, static_cast<int64_t>(from_bytes ? bytes.size() : file.st_size) +
                           static_cast<int64_t>(state.kernel_log.size()));
  return Wrap(env, object.release());
}

}  // namespace

void CloseState(Environment& environment, ObjectState& state) {
  // Links first: a USDT link that is destroyed after its object reads freed memory.
  for (auto link = environment.links.begin(); link != environment.links.end();) {
    if ((*link)->object.get() == &state) {
      (*link)->Destroy();
      link = environment.links.erase(link);
    } else {
      ++link;
    }
  }
  state.Close();
}

void LeaveObject(Environment& environment, ObjectState& state) {
  state.users--;
  if (state.doomed && state.Closable()) CloseState(environment, state);
}

namespace {

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* object = args.closable<Object>(0);
  if (!args.ok()) return nullptr;
  ObjectState& state = *object->state;
  object->Account(env, 0);
  if (!state.Closable()) {
    state.doomed = true;
  } else {
    CloseState(Environment::Of(env), state);
  }
  return Undefined(env);
}

template <class T, class Next>
napi_value Children(napi_env env, napi_callback_info info, Next next) {
  Args args(env, info);
  auto* object = args.handle<Object>(0);
  if (!args.ok()) return nullptr;
  napi_value children = nullptr;
  napi_create_array(env, &children);
  uint32_t i = 0;
  for (auto* child = next(object->get(), nullptr); child != nullptr; child = next(object->get(), child)) {
    napi_set_element(env, children, i++, Wrap(env, new T(object->state, child)));
  }
  return children;
}

napi_value Programs(napi_env env, napi_callback_info info) {
  return Children<Program>(env, info, bpf_object__next_program);
}

napi_value Maps(napi_env env, napi_callback_info info) {
  return Children<Map>(env, info, bpf_object__next_map);
}

// Returns the object if it can be prepared or loaded.
Object* Loadable(napi_env env, Args& args) {
  auto* object = args.handle<Object>(0);
  if (!args.ok()) return nullptr;
  if (object->state->failed) {
    napi_throw_error(env, "ERR_BPF_STATE", "the object failed to load");
    return nullptr;
  }
  object->state->tried = true;
  return object;
}

int GiveLogBuffers(ObjectState& state) {
  if (state.kernel_log.size() == 0) return 0;
  bpf_program* program;
  bpf_object__for_each_program(program, state.object) {
    if (!bpf_program__autoload(program) || state.log_buffers.count(program) > 0) continue;
    OwnedBytes buffer = OwnedBytes::Zeroed(state.kernel_log.size());
    if (buffer.failed()) return -ENOMEM;
    int error = bpf_program__set_log_buf(program, reinterpret_cast<char*>(buffer.data()), buffer.size());
    if (error != 0) return error;
    state.log_buffers.emplace(program, std::move(buffer));
  }
  return 0;
}

int KeepLogs(ObjectState& state, int (*work)(bpf_object*)) {
  int error = GiveLogBuffers(state);
  if (error != 0) return error;
  LogCapture::KeepProgramLogs(&state.logs);
  return work(state.object);
}

// bpf_object__prepare and bpf_object__load, on this thread or on the pool; `data` is the name of the
// function.
template <int (*Work)(bpf_object*)>
napi_value Sync(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Object* object = Loadable(env, args);
  if (object == nullptr) return nullptr;
  bool done =
      Call(env, static_cast<const char*>(args.data()), [&] { return KeepLogs(*object->state, Work); });
  if (!done) object->state->failed = true;
  return Undefined(env);
}

template <int (*Work)(bpf_object*)>
napi_value Async(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Object* object = Loadable(env, args);
  if (object == nullptr) return nullptr;
  std::shared_ptr<ObjectState> state = object->state;
  state->busy = true;
  return CallAsync(
      env, static_cast<const char*>(args.data()), [state] { return KeepLogs(*state, Work); },
      [state, env](int result) {
        state->busy = false;
        if (result < 0) state->failed = true;
        if (state->doomed) CloseState(Environment::Of(env), *state);
      },
      [](napi_env env) { return Undefined(env); });
}

napi_value Btf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* object = args.handle<Object>(0);
  if (!args.ok()) return nullptr;
  const btf* types = bpf_object__btf(object->get());
  uint32_t size = 0;
  const void* bytes = types != nullptr ? btf__raw_data(types, &size) : nullptr;
  return bytes != nullptr ? CopyBytes(env, bytes, size) : Undefined(env);
}

napi_value KernelLog(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* object = args.handle<Object>(0);
  if (!args.ok()) return nullptr;
  const OwnedBytes& log = object->state->kernel_log;
  return ToJs(env, log.size() > 0 ? reinterpret_cast<char*>(log.data()) : "");
}

// The six functions that pin and unpin; `data` is the name of the function. With `Optional`, the path can be
// null.
template <int (*Work)(bpf_object*, const char*), bool Optional>
napi_value WithPath(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* object = args.handle<Object>(0);
  auto path = Optional ? args.optionalString(1) : std::optional<std::string>(args.string(1));
  if (!args.ok()) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Work(object->get(), OrNull(path)); });
  return Undefined(env);
}

template <auto Read>
napi_value Get(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* object = args.handle<Object>(0);
  return args.ok() ? ToJs(env, Read(object->get())) : nullptr;
}

}  // namespace

void DefineObject(napi_env env, napi_value exports) {
  Define(
      env, exports,
      {
          {"objectOpen", Open},
          {"objectClose", Close},
          {"objectName", Get<bpf_object__name>},
          {"objectPrograms", Programs},
          {"objectMaps", Maps},
          {"objectPrepare", Async<bpf_object__prepare>, "bpf_object__prepare"},
          {"objectPrepareSync", Sync<bpf_object__prepare>, "bpf_object__prepare"},
          {"objectLoad", Async<bpf_object__load>, "bpf_object__load"},
          {"objectLoadSync", Sync<bpf_object__load>, "bpf_object__load"},
          {"objectBtf", Btf},
          {"objectKernelLog", KernelLog},
          {"objectTokenFd", Get<bpf_object__token_fd>},
          {"objectBtfFd", Get<bpf_object__btf_fd>},
          {"objectPin", WithPath<PinObject, false>, "bpf_object__pin"},
          {"objectUnpin", WithPath<bpf_object__unpin, false>, "bpf_object__unpin"},
          {"objectPinMaps", WithPath<PinMaps, true>, "bpf_object__pin_maps"},
          {"objectUnpinMaps", WithPath<bpf_object__unpin_maps, true>, "bpf_object__unpin_maps"},
          {"objectPinPrograms", WithPath<PinPrograms, false>, "bpf_object__pin_programs"},
          {"objectUnpinPrograms", WithPath<bpf_object__unpin_programs, false>, "bpf_object__unpin_programs"},
      });
}
