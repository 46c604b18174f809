// What libbpf relies on in BTF and does not check when it reads it: whatever refers to itself, or is nested
// too deeply, would have it run on until the stack ends, or for ever; members without a size have it divide
// by 0.
#pragma once

#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

class BtfCheck {
 public:
  // Negative errno where the types cannot be used. Null has none.
  static int Run(const btf* types) {
    if (types == nullptr) return 0;
    bool sound = BtfCheck(types, false).All() && BtfCheck(types, true).All();
    return sound ? 0 : -EINVAL;
  }

 private:
  // A struct may contain pointers to itself, so structs and pointers are followed one kind at a time.
  BtfCheck(const btf* types, bool by_value)
      : types_(types), by_value_(by_value), heights_(btf__type_cnt(types), kNew) {}

  bool All() {
    for (uint32_t id = 1; id < heights_.size(); id++) {
      if (HeightOf(id) > kMost) return false;
    }
    return true;
  }

  // How many types follow one another from here; more than kMost where that never ends, or leads to no type.
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
        // libbpf 1.7 sees to it that parameters have a type, and not that what is returned has one.
        follow(type->type);
        for (uint32_t i = 0; i < btf_vlen(type); i++) follow(btf_params(type)[i].type);
        break;
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
        for (uint32_t i = 0; by_value_ && i < btf_vlen(type); i++) {
          uint32_t member = btf_members(type)[i].type;
          follow(member);
          if (height <= kMost && !HasSize(member)) height = kEndless;
        }
        break;
    }
    active_--;
    return heights_[id] = std::min(height, kEndless);
  }

  // Of a chain that is known to end. libbpf divides by the alignment of members, which is 0 of what has no
  // size.
  bool HasSize(uint32_t id) const {
    for (;;) {
      const btf_type* type = btf__type_by_id(types_, id);
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

  static constexpr uint32_t kMost = 256;
  static constexpr uint32_t kEndless = 2 * kMost;
  static constexpr uint32_t kNew = UINT32_MAX;
  static constexpr uint32_t kActive = UINT32_MAX - 1;

  const btf* types_;
  bool by_value_;
  std::vector<uint32_t> heights_;
  uint32_t active_ = 0;
};
