#pragma once

#include <bpf/libbpf.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

#include "util/handle.h"
#include "util/owned_bytes.h"
#include "util/unique_fd.h"

// A bpf_object and what must live as long as it. Shared by the handles of the object, its programs, maps and
// links, so that none of them can outlive the memory it points into.
struct ObjectState {
  ~ObjectState() { Close(); }

  void Close() {
    bpf_object__close(object);
    object = nullptr;
    held.clear();
    kernel_log = OwnedBytes();
  }

  bpf_object* object = nullptr;
  // libbpf locks nothing: while another thread works on the object nobody else may.
  bool busy = false;
  // How many works on libuv's pool attach or detach its programs: it is closed after the last of them.
  int users = 0;
  // libbpf's USDT manager, which belongs to the object, is changed by each attachment and detachment.
  std::mutex attaching;
  // Closed while it was busy, or had users.
  bool doomed = false;
  // prepare or load was tried: read-only sections may be mapped read-only from here on, even after a failure.
  bool tried = false;
  // It failed, and libbpf cannot take the same object a second time.
  bool failed = false;
  // Descriptors of which libbpf was told the numbers.
  std::vector<UniqueFd> held;
  // For kernel_log_buf; libbpf keeps a pointer to it until the load has ended.
  OwnedBytes kernel_log;

  bool Closable() const { return !busy && users == 0; }

  const char* Refusal() const {
    if (object == nullptr || doomed) return "ERR_BPF_CLOSED";
    return busy ? "ERR_BPF_BUSY" : nullptr;
  }
};

class Environment;
// Destroys the object's links, then the object.
void CloseState(Environment& environment, ObjectState& state);
// Ends what `users` counts: the last one closes an object that was closed meanwhile.
void LeaveObject(Environment& environment, ObjectState& state);

class Object : public Handle {
 public:
  static constexpr Kind kKind = Kind::kObject;
  Object() : Handle(kKind), state(std::make_shared<ObjectState>()) {}
  const char* Refusal() const override { return state->Refusal(); }
  bpf_object* get() const { return state->object; }

  std::shared_ptr<ObjectState> state;
};
