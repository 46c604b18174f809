#pragma once

#include <bpf/libbpf.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "util/handle.h"
#include "util/owned_bytes.h"
#include "util/unique_fd.h"

// A bpf_object and everything that must live as long as it. The handles of the object and of its programs,
// maps and links share it, so that none of them outlives the memory that it points into.
struct ObjectState {
  ~ObjectState() { Close(); }

  void Close() {
    bpf_object__close(object);
    object = nullptr;
    held.clear();
    kernel_log = OwnedBytes();
    log_buffers.clear();
    logs.clear();
  }

  bpf_object* object = nullptr;
  // libbpf has no locks: while one thread works on the object, no other thread may use it.
  bool busy = false;
  // The number of tasks on libuv's pool that attach or detach its programs. The last one closes the object.
  int users = 0;
  // Attaching and detaching changes libbpf's USDT manager, which belongs to the object.
  std::mutex attaching;
  // It was closed while it was busy or had users.
  bool doomed = false;
  // Prepare or load was called. From then on read-only sections can be mapped read-only, even if it failed.
  bool tried = false;
  // Loading failed. libbpf cannot load the same object a second time.
  bool failed = false;
  // Descriptors that libbpf knows by number.
  std::vector<UniqueFd> held;
  // For kernel_log_buf, where the kernel writes about the BTF. libbpf has a pointer to it until the object is
  // loaded.
  OwnedBytes kernel_log;
  // A buffer of the same size for each program, because each log overwrites the one before.
  std::unordered_map<const bpf_program*, OwnedBytes> log_buffers;
  // Without such buffers: the verifier's log of each program, by its name.
  std::unordered_map<std::string, std::string> logs;

  bool Closable() const { return !busy && users == 0; }

  const char* Refusal() const {
    if (object == nullptr || doomed) return "ERR_BPF_CLOSED";
    return busy ? "ERR_BPF_BUSY" : nullptr;
  }
};

class Environment;
// Destroys the object's links, then the object.
void CloseState(Environment& environment, ObjectState& state);
// Called by each of the `users` when it is done. The last one closes an object that was closed meanwhile.
void LeaveObject(Environment& environment, ObjectState& state);

class Object : public Handle {
 public:
  static constexpr Kind kKind = Kind::kObject;
  Object() : Handle(kKind), state(std::make_shared<ObjectState>()) {}
  const char* Refusal() const override { return state->Refusal(); }
  bpf_object* get() const { return state->object; }

  std::shared_ptr<ObjectState> state;
};
