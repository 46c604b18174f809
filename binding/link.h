#pragma once

#include <bpf/libbpf.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "object.h"
#include "util/environment.h"
#include "util/unique_fd.h"

// Keeps a program attached. The environment owns it, see Environment::links.
struct LinkState {
  // Exactly one of `link`, `fd` and `undo` is set. A link that libbpf has made,
  bpf_link* link = nullptr;
  std::shared_ptr<ObjectState> object;  // null for a link that was not made by attaching
  bool struct_ops = false;
  // It also belongs to the object's USDT manager, see ObjectState::attaching.
  bool usdt = false;
  // a kernel link for which libbpf has no bpf_link,
  UniqueFd fd;
  std::string pin_path;
  // or a function that detaches a program that is attached without a kernel link.
  std::function<void()> undo;
  // What to write to a file of tracefs once the link is destroyed: the removal of its probe event.
  std::string probe_file;
  std::string probe_removal;
  // The program stays attached on close. A bpf_link stores this itself.
  bool disconnected = false;

  bool IsOpen() const { return link != nullptr || fd.IsOpen() || undo; }
  int Fd() const { return link != nullptr ? bpf_link__fd(link) : fd.get(); }
  // Moves the link out of this state, so that it can be destroyed on another thread.
  LinkState Take();
  void Destroy();
};

class Link : public Handle {
 public:
  static constexpr Kind kKind = Kind::kLink;
  explicit Link(std::shared_ptr<LinkState> state) : Handle(kKind), state(std::move(state)) {}
  const char* Refusal() const override {
    if (!state->IsOpen()) return "ERR_BPF_CLOSED";
    return state->object ? state->object->Refusal() : nullptr;
  }

  const std::shared_ptr<LinkState> state;
};

// Makes the environment the owner of a new link, and returns its handle.
napi_value WrapLink(napi_env env, LinkState link);
napi_value WrapLink(napi_env env, bpf_link* link, std::shared_ptr<ObjectState> object,
                    bool struct_ops = false);
// For a program that is attached without a kernel link; `undo` detaches it.
napi_value WrapLink(napi_env env, std::shared_ptr<ObjectState> object, std::function<void()> undo);
