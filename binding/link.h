#pragma once

#include <bpf/libbpf.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "object.h"
#include "util/environment.h"
#include "util/unique_fd.h"

// What keeps a program attached, and the object that it points into. The environment owns it, see
// Environment::links.
struct LinkState {
  // One of these three: what libbpf made,
  bpf_link* link = nullptr;
  std::shared_ptr<ObjectState> object;  // null for a link that was not made by attaching
  bool struct_ops = false;
  // It belongs to the object's USDT manager, too, see ObjectState::attaching.
  bool usdt = false;
  // a link of the kernel's that no function of libbpf makes a bpf_link of,
  UniqueFd fd;
  std::string pin_path;
  // or what takes back an attachment for which the kernel has no link.
  std::function<void()> undo;
  // To be left attached; a bpf_link knows it itself.
  bool disconnected = false;

  bool IsOpen() const { return link != nullptr || fd.IsOpen() || undo; }
  int Fd() const { return link != nullptr ? bpf_link__fd(link) : fd.get(); }
  // Leaves an empty state behind: what is taken can be destroyed on another thread.
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

// Gives a new link to the environment, and its handle to JavaScript.
napi_value WrapLink(napi_env env, LinkState link);
napi_value WrapLink(napi_env env, bpf_link* link, std::shared_ptr<ObjectState> object,
                    bool struct_ops = false);
