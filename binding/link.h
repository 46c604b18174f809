#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <utility>

#include "object.h"
#include "util/environment.h"

// A bpf_link and the object that it points into. The environment owns it, see Environment::links.
struct LinkState {
  bpf_link* link;
  std::shared_ptr<ObjectState> object;  // null for a link that was opened from a pin
  bool struct_ops = false;

  void Destroy() {
    bpf_link__destroy(link);
    link = nullptr;
    object.reset();
  }
};

class Link : public Handle {
 public:
  static constexpr Kind kKind = Kind::kLink;
  explicit Link(std::shared_ptr<LinkState> state) : Handle(kKind), state(std::move(state)) {}
  const char* Refusal() const override {
    if (state->link == nullptr) return "ERR_BPF_CLOSED";
    return state->object ? state->object->Refusal() : nullptr;
  }
  bpf_link* get() const { return state->link; }

  const std::shared_ptr<LinkState> state;
};

// Gives a new link to the environment, and its handle to JavaScript.
napi_value WrapLink(napi_env env, bpf_link* link, std::shared_ptr<ObjectState> object,
                    bool struct_ops = false);
