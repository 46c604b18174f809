#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "addon.h"
#include "event_source.h"
#include "map.h"
#include "util/call.h"
#include "util/unique_fd.h"

namespace {

// The kernel's side of a BPF_MAP_TYPE_RINGBUF.
class RingBuffer : public EventSource {
 public:
  explicit RingBuffer(Environment& environment) : EventSource(environment) {}
  ~RingBuffer() override { Close(); }

  int Open(int map_fd, napi_value on_batch) {
    // A descriptor of our own: the map's goes when its object is closed.
    map_fd_ = UniqueFd::Duplicate(map_fd);
    if (!map_fd_.IsOpen()) return map_fd_.get();
    rings_ = ring_buffer__new(map_fd_.get(), Copy, this, nullptr);
    if (rings_ == nullptr) return -errno;
    ring_ = ring_buffer__ring(rings_, 0);
    // The map is watched itself, not libbpf's epoll descriptor around it: one wake-up less in the kernel.
    return EventSource::Open(map_fd_.get(), ring__size(ring_), on_batch);
  }

  ring* get() const { return ring_; }

 private:
  static int Copy(void* self, void* data, size_t size) {
    return static_cast<RingBuffer*>(self)->Take(data, size) ? 0 : -ENOSPC;
  }

  int Drain() override {
    int result = ring__consume_n(ring_, budget());
    return result == -ENOSPC ? 0 : result;
  }

  bool IsLevelTriggered() const override { return true; }
  bool WillWake() const override { return ring__avail_data_size(ring_) > 0; }

  void Release() override {
    ring_buffer__free(rings_);
    rings_ = nullptr;
    ring_ = nullptr;
    map_fd_.Reset();
  }

  UniqueFd map_fd_;
  ring_buffer* rings_ = nullptr;
  ring* ring_ = nullptr;
};

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  napi_value on_batch = args.function(1);
  if (!args.ok()) return nullptr;
  auto ring = std::make_unique<RingBuffer>(Environment::Of(env));
  if (!Call(env, "ring_buffer__new", [&] { return ring->Open(map->fd(), on_batch); })) return nullptr;
  return Wrap(env, ring.release());
}

// The ring behind a handle that may be of any source.
ring* RingOf(napi_env env, Args& args) {
  auto* source = args.handle<EventSource>(0);
  if (!args.ok()) return nullptr;
  auto* ring = dynamic_cast<RingBuffer*>(source);
  if (ring == nullptr) napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "the source is not a ring buffer");
  return ring == nullptr ? nullptr : ring->get();
}

template <size_t (*Read)(const ring*)>
napi_value SizeOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  const ring* ring = RingOf(env, args);
  if (ring == nullptr) return nullptr;
  napi_value value = nullptr;
  napi_create_int64(env, static_cast<int64_t>(Read(ring)), &value);
  return value;
}

template <unsigned long (*Read)(const ring*)>
napi_value Position(napi_env env, napi_callback_info info) {
  Args args(env, info);
  const ring* ring = RingOf(env, args);
  return ring != nullptr ? ToJs(env, uint64_t{Read(ring)}) : nullptr;
}

}  // namespace

void DefineRingBuffer(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"ringBufferNew", New},
             {"ringBufferAvailable", SizeOf<ring__avail_data_size>},
             {"ringBufferSize", SizeOf<ring__size>},
             {"ringBufferConsumerPosition", Position<ring__consumer_pos>},
             {"ringBufferProducerPosition", Position<ring__producer_pos>},
         });
}
