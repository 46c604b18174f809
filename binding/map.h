#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <memory>
#include <utility>

#include "object.h"
#include "util/args.h"
#include "util/options.h"
#include "util/unique_fd.h"

// Asks the kernel about a map. Returns 0 or a negative errno.
inline int ReadMapInfo(int fd, bpf_map_info& found) {
  Zero(found);
  uint32_t size = sizeof(found);
  return bpf_map_get_info_by_fd(fd, &found, &size);
}

// A map of an object, or a map without an object that owns its descriptor.
class Map : public Handle {
 public:
  static constexpr Kind kKind = Kind::kMap;
  // For the declaration of inner maps, `outer` is the map of maps.
  Map(std::shared_ptr<ObjectState> object, bpf_map* map, bpf_map* outer = nullptr)
      : Handle(kKind), object(std::move(object)), map_(map), outer_(outer) {}
  // Owns the descriptor.
  Map(UniqueFd fd, const bpf_map_info& info)
      : Handle(kKind), map_(nullptr), fd_(std::move(fd)), info_(info) {}
  ~Map() override;

  const char* Refusal() const override {
    if (object) {
      const char* refusal = object->Refusal();
      // libbpf frees the declaration when the object loads, or when another one replaces it.
      if (refusal == nullptr && outer_ != nullptr && bpf_map__inner_map(outer_) != map_)
        return "ERR_BPF_CLOSED";
      return refusal;
    }
    return fd_.IsOpen() ? nullptr : "ERR_BPF_CLOSED";
  }
  void Close();

  // Null for maps without an object.
  bpf_map* get() const { return map_; }
  bool is_inner() const { return outer_ != nullptr; }
  int fd() const {
    if (map_ == nullptr) return fd_.get();
    // libbpf would return the descriptor of a placeholder for a map without autocreate, and crash on an inner
    // map.
    return outer_ == nullptr && bpf_map__autocreate(map_) ? bpf_map__fd(map_) : -1;
  }
  // For maps without an object: what the kernel reported when the map was opened.
  const bpf_map_info& info() const { return info_; }
  // The two buffers of mapBind, see types/binding/map.d.ts. The pointers stay valid because only our own
  // JavaScript ever sees the buffers, and it does not detach them.
  uint8_t* key = nullptr;
  uint8_t* value = nullptr;
  size_t key_size = 0;
  size_t value_size = 0;
  bool bound = false;
  napi_env env = nullptr;
  napi_ref buffers[2] = {nullptr, nullptr};

  const std::shared_ptr<ObjectState> object;

 private:
  bpf_map* map_;
  bpf_map* outer_ = nullptr;
  UniqueFd fd_;
  bpf_map_info info_ = {};
};

// The bpf_map of argument 0, or null with an exception if it is not the map of an object. lib/ checks that
// first, so users never see this error.
bpf_map* Declared(napi_env env, Args& args);

// The memory of a map that may be read and written; null if it has none.
uint8_t* MemoryOf(const ObjectState& object, bpf_map* map, size_t* size);
