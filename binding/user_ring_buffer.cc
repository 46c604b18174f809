#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/epoll.h>

#include <cstring>
#include <unordered_map>

#include "addon.h"
#include "map.h"
#include "util/call.h"
#include "util/edge.h"
#include "util/unique_fd.h"

namespace {

// The producer of a BPF_MAP_TYPE_USER_RINGBUF. JavaScript never sees its memory: samples are encoded
// elsewhere and copied.
class UserRingBuffer : public Handle, public LoopOwner {
 public:
  static constexpr Kind kKind = Kind::kUserRingBuffer;
  explicit UserRingBuffer(Environment& environment) : Handle(kKind), environment_(environment) {}
  ~UserRingBuffer() override { Close(); }
  const char* Refusal() const override { return ring_ == nullptr ? "ERR_BPF_CLOSED" : nullptr; }

  int Open(int map_fd) {
    map_fd_ = UniqueFd::Duplicate(map_fd);
    if (!map_fd_.IsOpen()) return map_fd_.get();
    ring_ = user_ring_buffer__new(map_fd_.get(), nullptr);
    if (ring_ == nullptr) return -errno;
    bpf_map_info found;
    if (ReadMapInfo(map_fd_.get(), found) == 0) Account(environment_.env, found.max_entries);
    return 0;
  }

  // Returns null, with errno set to ENOSPC, if there is no room.
  void* Reserve(size_t size) { return user_ring_buffer__reserve(ring_, static_cast<uint32_t>(size)); }
  void Submit(void* sample) { user_ring_buffer__submit(ring_, sample); }

  struct Place {
    void* sample;
    size_t size;
  };
  uint32_t Keep(Place place) {
    // The counter wraps around some day, and the number may still be in use.
    while (!places_.emplace(++last_place_, place).second) continue;
    return last_place_;
  }
  const Place* PlaceOf(uint32_t number) const {
    auto found = places_.find(number);
    return found != places_.end() ? &found->second : nullptr;
  }
  void End(uint32_t number, bool discard) {
    void* sample = places_.at(number).sample;
    places_.erase(number);
    if (discard) {
      user_ring_buffer__discard(ring_, sample);
    } else {
      user_ring_buffer__submit(ring_, sample);
    }
  }

  // Calls `on_room` each time the program has woken the producer.
  int Watch(napi_value on_room) {
    Unwatch();
    // The map is writable as long as there is any room, which may be too little. So only the wake-ups count.
    int error = edge_.Open(environment_, map_fd_.get(), EPOLLOUT, this);
    if (error < 0) return error;
    environment_.loop_owners.insert(this);
    napi_env env = environment_.env;
    napi_create_reference(env, on_room, 1, &on_room_);
    napi_async_init(env, nullptr, ToJs(env, "libbpf-node:room"), &context_);
    return edge_.handle()->Start();
  }

  void Unwatch() {
    environment_.loop_owners.erase(this);
    edge_.Close();
    if (on_room_ != nullptr) napi_delete_reference(environment_.env, on_room_);
    on_room_ = nullptr;
    if (context_ != nullptr) napi_async_destroy(environment_.env, context_);
    context_ = nullptr;
  }

  void Close() override {
    Unwatch();
    // Otherwise no program could ever read past them.
    if (ring_ != nullptr)
      for (const auto& [number, place] : places_) user_ring_buffer__discard(ring_, place.sample);
    places_.clear();
    user_ring_buffer__free(ring_);
    ring_ = nullptr;
    Account(environment_.env, 0);
    map_fd_.Reset();
  }

  void Woken(bool) override {
    napi_env env = environment_.env;
    Napi::HandleScope scope(env);
    // Another wake-up may have been reported together with this one.
    if (edge_.Take()) CallBack(env, context_, on_room_);
  }

 private:
  Environment& environment_;
  UniqueFd map_fd_;
  user_ring_buffer* ring_ = nullptr;
  std::unordered_map<uint32_t, Place> places_;
  uint32_t last_place_ = 0;

  EdgePoll edge_;
  napi_ref on_room_ = nullptr;
  napi_async_context context_ = nullptr;
};

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  auto ring = std::make_unique<UserRingBuffer>(Environment::Of(env));
  if (!Call(env, "user_ring_buffer__new", [&] { return ring->Open(map->fd()); })) return nullptr;
  return Wrap(env, ring.release());
}

// Reserves room for a sample. Returns null if there is none, or after an exception.
void* Reserve(napi_env env, UserRingBuffer* ring, size_t size) {
  void* sample = ring->Reserve(size);
  // A full ring is not an error.
  if (sample == nullptr && errno != ENOSPC) Throw(env, "user_ring_buffer__reserve", -errno);
  return sample;
}

napi_value Submit(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<UserRingBuffer>(0);
  Bytes bytes = args.bytes(1);
  if (args.ok() && bytes.size > UINT32_MAX) args.Reject(1, "is too long");
  if (!args.ok()) return nullptr;
  void* sample = Reserve(env, ring, bytes.size);
  if (sample == nullptr) return ToJs(env, false);
  if (bytes.size > 0) memcpy(sample, bytes.data, bytes.size);
  ring->Submit(sample);
  return ToJs(env, true);
}

napi_value ReservePlace(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<UserRingBuffer>(0);
  size_t size = args.u32(1);
  if (!args.ok()) return nullptr;
  void* sample = Reserve(env, ring, size);
  return sample != nullptr ? ToJs(env, ring->Keep({sample, size})) : Undefined(env);
}

napi_value Commit(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<UserRingBuffer>(0);
  uint32_t number = args.u32(1);
  Bytes bytes = args.bytes(2);
  if (!args.ok()) return nullptr;
  const UserRingBuffer::Place* place = ring->PlaceOf(number);
  if (place == nullptr) return ToJs(env, false);
  if (bytes.size != place->size) {
    args.Reject(2, "is not as long as the reservation");
    return nullptr;
  }
  if (bytes.size > 0) memcpy(place->sample, bytes.data, bytes.size);
  ring->End(number, false);
  return ToJs(env, true);
}

napi_value Discard(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<UserRingBuffer>(0);
  uint32_t number = args.u32(1);
  if (!args.ok()) return nullptr;
  bool found = ring->PlaceOf(number) != nullptr;
  if (found) ring->End(number, true);
  return ToJs(env, found);
}

napi_value Watch(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<UserRingBuffer>(0);
  bool off = args.is(1, napi_undefined);
  napi_value on_room = off ? nullptr : args.function(1);
  if (!args.ok()) return nullptr;
  if (off) {
    ring->Unwatch();
  } else if (!Call(env, "epoll_ctl", [&] { return ring->Watch(on_room); })) {
    ring->Unwatch();
    return nullptr;
  }
  return Undefined(env);
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.closable<UserRingBuffer>(0);
  if (args.ok()) ring->Close();
  return Undefined(env);
}

}  // namespace

void DefineUserRingBuffer(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"userRingBufferNew", New},
             {"userRingBufferSubmit", Submit},
             {"userRingBufferReserve", ReservePlace},
             {"userRingBufferCommit", Commit},
             {"userRingBufferDiscard", Discard},
             {"userRingBufferWatch", Watch},
             {"userRingBufferClose", Close},
         });
}
