#include "link.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "addon.h"
#include "map.h"
#include "program.h"
#include "util/call.h"
#include "util/descriptor.h"
#include "util/options.h"

LinkState LinkState::Take() {
  LinkState taken = std::move(*this);
  link = nullptr;
  undo = nullptr;
  probe_file.clear();
  return taken;
}

// The kernel refuses to remove it while a pin keeps the link.
static void RemoveProbe(const std::string& file, const std::string& removal) {
  UniqueFd fd(open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  [[maybe_unused]] ssize_t written = write(fd.get(), removal.data(), removal.size());
}

void LinkState::Destroy() {
  LinkState taken = Take();
  auto lock = taken.usdt ? std::unique_lock(taken.object->attaching) : std::unique_lock<std::mutex>();
  bpf_link__destroy(taken.link);
  if (taken.disconnected) {
    taken.fd.Release();
  } else if (taken.undo) {
    taken.undo();
  }
  if (!taken.probe_file.empty()) RemoveProbe(taken.probe_file, taken.probe_removal);
}

static void DestroyLinks(Environment& environment) {
  for (const auto& link : environment.links) link->Destroy();
  environment.links.clear();
}

napi_value WrapLink(napi_env env, LinkState link) {
  auto state = std::make_shared<LinkState>(std::move(link));
  Environment::Of(env).links.insert(state);
  return Wrap(env, new Link(state));
}

napi_value WrapLink(napi_env env, bpf_link* link, std::shared_ptr<ObjectState> object, bool struct_ops) {
  return WrapLink(env, LinkState{link, std::move(object), struct_ops});
}

napi_value WrapLink(napi_env env, std::shared_ptr<ObjectState> object, std::function<void()> undo) {
  LinkState link;
  link.object = std::move(object);
  link.undo = std::move(undo);
  return WrapLink(env, std::move(link));
}

namespace {

int ExpectLink(int fd) { return IsBpf("link", fd) ? 0 : -EINVAL; }

// Destroys links on several threads. The kernel waits for grace periods of RCU for each of them, and threads
// that wait at the same time share one. More than a few threads gain nothing, because the kernel partly waits
// with a lock held (tracepoints: 72 ms per link, 36 with four threads, 40 with sixteen).
class Destroyer {
 public:
  explicit Destroyer(std::vector<LinkState>& links) : links_(links) {}

  void Run() {
    pthread_t helpers[kHelpers];
    size_t helping = 0;
    // Without helpers it just takes longer.
    while (helping < kHelpers && helping + 1 < links_.size()) {
      if (pthread_create(&helpers[helping], nullptr, Help, this) != 0) break;
      helping++;
    }
    Work();
    for (size_t i = 0; i < helping; i++) pthread_join(helpers[i], nullptr);
  }

 private:
  static constexpr size_t kHelpers = 3;

  static void* Help(void* self) {
    static_cast<Destroyer*>(self)->Work();
    return nullptr;
  }

  void Work() {
    for (size_t i = next_++; i < links_.size(); i = next_++) {
      // The object must outlive all of its links. LeaveObject closes it when there are no more users.
      std::shared_ptr<ObjectState> object = links_[i].object;
      links_[i].Destroy();
      links_[i].object = std::move(object);
    }
  }

  std::vector<LinkState>& links_;
  std::atomic<size_t> next_{0};
};

napi_value Open(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string path = args.string(0);
  if (!args.ok()) return nullptr;
  bpf_link* link = nullptr;
  bool opened = Call(env, "bpf_link__open", [&] {
    int error = ErrorOf(link = bpf_link__open(path.c_str()));
    if (error != 0) return error;
    error = ExpectLink(bpf_link__fd(link));
    if (error != 0) bpf_link__destroy(link);
    return error;
  });
  return opened ? WrapLink(env, link, nullptr) : nullptr;
}

napi_value WrapFd(napi_env env, UniqueFd fd) {
  LinkState link;
  link.fd = std::move(fd);
  return WrapLink(env, std::move(link));
}

napi_value FromFd(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.i32(0);
  if (!args.ok()) return nullptr;
  UniqueFd copy;
  bool opened = Call(env, "fcntl", [&] {
    int error = ExpectLink(fd);
    if (error != 0) return error;
    copy = UniqueFd::Duplicate(fd);
    return copy.get();
  });
  return opened ? WrapFd(env, std::move(copy)) : nullptr;
}

napi_value FromId(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t id = args.u32(0);
  if (!args.ok()) return nullptr;
  int fd = -1;
  bool opened = Call(env, "bpf_link_get_fd_by_id", [&] { return fd = bpf_link_get_fd_by_id(id); });
  return opened ? WrapFd(env, UniqueFd(fd)) : nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.closable<Link>(0);
  if (!args.ok() || !link->state->IsOpen()) return Undefined(env);
  Environment::Of(env).links.erase(link->state);
  link->state->Destroy();
  return Undefined(env);
}

// Takes links away from JavaScript and destroys them on libuv's pool. Their objects stay open until all of
// them are destroyed.
napi_value CloseAsync(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::vector<Link*> links = args.closables<Link>(0);
  if (!args.ok()) return nullptr;
  Environment& environment = Environment::Of(env);
  auto taken = std::make_shared<std::vector<LinkState>>();
  for (Link* link : links) {
    if (!link->state->IsOpen()) continue;
    environment.links.erase(link->state);
    taken->push_back(link->state->Take());
    if (taken->back().object) taken->back().object->users++;
  }
  return CallAsync(
      env, "bpf_link__destroy",
      [taken] {
        Destroyer(*taken).Run();
        return 0;
      },
      [taken, env](int) {
        for (LinkState& link : *taken) {
          if (link.object) LeaveObject(Environment::Of(env), *link.object);
        }
      },
      [](napi_env env) { return Undefined(env); });
}

// The functions that act on any link; `data` is the name of libbpf's function. They fail with EOPNOTSUPP if
// the program is attached without a kernel link.
template <int (*Work)(LinkState&)>
napi_value Do(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  if (!args.ok()) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Work(*link->state); });
  return Undefined(env);
}

int Detach(LinkState& state) {
  if (state.link != nullptr) return bpf_link__detach(state.link);
  return state.fd.IsOpen() ? bpf_link_detach(state.fd.get()) : -EOPNOTSUPP;
}

int Disconnect(LinkState& state) {
  if (state.link != nullptr) bpf_link__disconnect(state.link);
  // Like libbpf, this leaves the descriptor open without an owner.
  state.disconnected = true;
  return 0;
}

int Unpin(LinkState& state) {
  if (state.link != nullptr) return bpf_link__unpin(state.link);
  if (state.pin_path.empty()) return -EINVAL;
  int error = ErrnoOf(unlink(state.pin_path.c_str()));
  if (error == 0) state.pin_path.clear();
  return error;
}

int Pin(LinkState& state, const std::string& path) {
  if (state.link != nullptr) return bpf_link__pin(state.link, path.c_str());
  if (!state.fd.IsOpen()) return -EOPNOTSUPP;
  if (!state.pin_path.empty()) return -EBUSY;
  // Like libbpf, this creates the directory.
  size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    if (mkdir(path.substr(0, slash).c_str(), 0700) != 0 && errno != EEXIST) return -errno;
  }
  int error = bpf_obj_pin(state.fd.get(), path.c_str());
  if (error == 0) state.pin_path = path;
  return error;
}

napi_value OwnProbe(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  std::string file = args.string(1);
  std::string removal = args.string(2);
  if (!args.ok()) return nullptr;
  link->state->probe_file = std::move(file);
  link->state->probe_removal = std::move(removal);
  return Undefined(env);
}

napi_value Fd(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  return args.ok() ? ToJs(env, int32_t{link->state->Fd()}) : nullptr;
}

napi_value PinPath(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  if (!args.ok()) return nullptr;
  const LinkState& state = *link->state;
  if (state.link != nullptr) return ToJs(env, bpf_link__pin_path(state.link));
  return state.pin_path.empty() ? Undefined(env) : ToJs(env, state.pin_path);
}

napi_value PinTo(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  std::string path = args.string(1);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_link__pin", [&] { return Pin(*link->state, path); });
  return Undefined(env);
}

napi_value UpdateProgram(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  auto* program = args.handle<Program>(1);
  int expected = args.i32(2);
  if (!args.ok()) return nullptr;
  LinkState& state = *link->state;
  bool updated = Call(env, "bpf_link__update_program", [&] {
    if (expected >= 0) {
      bpf_link_update_opts options;
      InitOptions(options);
      options.flags = BPF_F_REPLACE;
      options.old_prog_fd = static_cast<uint32_t>(expected);
      if (state.Fd() < 0) return -EOPNOTSUPP;
      return bpf_link_update(state.Fd(), bpf_program__fd(program->get()), &options);
    }
    if (state.link != nullptr) return bpf_link__update_program(state.link, program->get());
    if (!state.fd.IsOpen()) return -EOPNOTSUPP;
    return bpf_link_update(state.fd.get(), bpf_program__fd(program->get()), nullptr);
  });
  // The object of the old program can be closed now.
  if (updated && state.object) state.object = program->object;
  return Undefined(env);
}

napi_value IterCreate(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  if (!args.ok()) return nullptr;
  int fd = -1;
  bool created = Call(env, "bpf_iter_create", [&] { return fd = bpf_iter_create(link->state->Fd()); });
  return created ? HandOut(env, UniqueFd(fd)) : nullptr;
}

napi_value UpdateMap(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  auto* map = args.handle<Map>(1);
  if (!args.ok()) return nullptr;
  bool updated = Call(env, "bpf_link__update_map", [&] {
    // libbpf treats every link as a struct_ops link, and would read beyond the end of another one.
    if (!link->state->struct_ops || map->get() == nullptr) return -EINVAL;
    return bpf_link__update_map(link->state->link, map->get());
  });
  if (updated) link->state->object = map->object;
  return Undefined(env);
}

}  // namespace

void DefineLink(napi_env env, napi_value exports) {
  Environment::Of(env).destroy_links = DestroyLinks;
  Define(env, exports,
         {
             {"linkOpen", Open},
             {"linkOwnProbe", OwnProbe},
             {"linkFromFd", FromFd},
             {"linkFromId", FromId},
             {"linkClose", Close},
             {"linkCloseAsync", CloseAsync},
             {"linkFd", Fd},
             {"linkDetach", Do<Detach>, "bpf_link__detach"},
             {"linkDisconnect", Do<Disconnect>, "bpf_link__disconnect"},
             {"linkPin", PinTo},
             {"linkUnpin", Do<Unpin>, "bpf_link__unpin"},
             {"linkPinPath", PinPath},
             {"linkUpdateProgram", UpdateProgram},
             {"linkUpdateMap", UpdateMap},
             {"linkIterCreate", IterCreate},
         });
}
