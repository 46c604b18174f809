// libbpf relies on some properties of BTF that it does not check when it reads it. A type that refers to
// itself or is nested too deeply would make it loop forever or overflow the stack.
#pragma once

#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

class BtfCheck {
 public:
  // Returns a negative errno if libbpf must not use the types. Null is fine: an object may have no BTF.
  static int Run(const btf* types) {
    if (types == nullptr) return 0;
    bool sound = BtfCheck(types, false).All() && BtfCheck(types, true).All();
    return sound ? 0 : -EINVAL;
  }

  // Whether values of a type have a size. They do not if the compiler wrote type 0 because BTF cannot express
  // the type, as for `_Atomic int`. Only for types that passed Run, because it follows references to their
  // end.
  static bool HasSize(const btf* types, uint32_t id) {
    for (;;) {
      const btf_type* type = btf__type_by_id(types, id);
      switch (btf_kind(type)) {
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_CONST:
        case BTF_KIND_RESTRICT:
        case BTF_KIND_TYPE_TAG:
          id = type->type;
          break;
        case BTF_KIND_ARRAY:
          id = btf_array(type)->type;
          break;
        case BTF_KIND_PTR:
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
          return true;
        case BTF_KIND_INT:
        case BTF_KIND_ENUM:
        case BTF_KIND_ENUM64:
        case BTF_KIND_FLOAT:
          return type->size > 0;
        default:
          return false;
      }
    }
  }

 private:
  // A struct may contain pointers to itself, so one pass follows struct members and another follows pointers.
  BtfCheck(const btf* types, bool by_value)
      : types_(types), by_value_(by_value), heights_(btf__type_cnt(types), kNew) {}

  bool All() {
    for (uint32_t id = 1; id < heights_.size(); id++) {
      if (HeightOf(id) > kMost) return false;
    }
    return true;
  }

  // The length of the longest chain of types that starts here. It is more than kMost if the chain never ends
  // or refers to an id that does not exist.
  uint32_t HeightOf(uint32_t id) {
    if (id >= heights_.size()) return kEndless;
    if (heights_[id] == kActive || active_ > kMost) return kEndless;
    if (heights_[id] != kNew) return heights_[id];
    heights_[id] = kActive;
    active_++;
    uint32_t height = 0;
    auto follow = [&](uint32_t next) {
      if (height <= kMost) height = std::max(height, HeightOf(next) + 1);
    };
    const btf_type* type = btf__type_by_id(types_, id);
    switch (btf_kind(type)) {
      case BTF_KIND_PTR:
        if (!by_value_) follow(type->type);
        break;
      case BTF_KIND_TYPEDEF:
      case BTF_KIND_VOLATILE:
      case BTF_KIND_CONST:
      case BTF_KIND_RESTRICT:
      case BTF_KIND_TYPE_TAG:
      case BTF_KIND_VAR:
        follow(type->type);
        break;
      case BTF_KIND_ARRAY:
        follow(btf_array(type)->type);
        break;
      case BTF_KIND_FUNC_PROTO:
        // libbpf 1.7 checks that the types of parameters exist, but does not check the return type.
        follow(type->type);
        for (uint32_t i = 0; i < btf_vlen(type); i++) follow(btf_params(type)[i].type);
        break;
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
        for (uint32_t i = 0; by_value_ && i < btf_vlen(type); i++) follow(btf_members(type)[i].type);
        break;
    }
    active_--;
    return heights_[id] = std::min(height, kEndless);
  }

  static constexpr uint32_t kMost = 256;
  static constexpr uint32_t kEndless = 2 * kMost;
  static constexpr uint32_t kNew = UINT32_MAX;
  static constexpr uint32_t kActive = UINT32_MAX - 1;

  const btf* types_;
  bool by_value_;
  std::vector<uint32_t> heights_;
  uint32_t active_ = 0;
};
