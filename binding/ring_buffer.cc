// A ring buffer's way from the kernel to JavaScript: libbpf hands out one record at a time, valid only during its callback; each is
// copied behind the last into a slab that JavaScript owns, and JavaScript is called once for all of them.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "addon.h"
#include "map.h"
#include "util/call.h"

namespace {

constexpr size_t kHeader = 8;
// A ring is readable, too, while its next record is reserved and not yet committed. Looking again is put off by so long, doubled each
// time up to the most, so that waiting costs little.
constexpr uint64_t kBackoffMs = 1;
constexpr uint64_t kMostBackoffMs = 16;

class RingBuffer : public Handle, public UvOwner {
 public:
  static constexpr Kind kKind = Kind::kRingBuffer;
  explicit RingBuffer(Environment& environment) : Handle(kKind), environment_(environment), env_(environment.env) {}
  ~RingBuffer() { Close(); }

  const char* Refusal() const override { return ring_ == nullptr ? "ERR_BPF_CLOSED" : nullptr; }
  ring* get() const { return ring_; }

  // Negative errno where it fails.
  int Open(int map_fd, napi_value on_batch);
  void SetSlab(napi_value slab);
  // See ringBufferConsume; false after an exception.
  bool Consume(uint32_t limit, int64_t* result);
  int Start(uint32_t limit);
  void Stop();
  void Ref(bool on);
  void Close() override;

 private:
  static int Copy(void* self, void* data, size_t size);
  bool Put(const void* data, size_t size);
  void Ready();
  void BackOff();
  void Watch();
  void Report(int64_t records);

  Environment& environment_;
  napi_env env_;
  int fd_ = -1;
  ring_buffer* rings_ = nullptr;
  ring* ring_ = nullptr;
  napi_ref on_batch_ = nullptr;
  napi_ref slab_ = nullptr;
  napi_async_context context_ = nullptr;
  UvHandle* poll_ = nullptr;
  UvHandle* timer_ = nullptr;
  bool watching_ = false;
  uint32_t limit_ = 0;
  uint64_t backoff_ms_ = kBackoffMs;

  // The drain that is going on.
  uint8_t* memory_ = nullptr;
  size_t room_ = 0;
  size_t used_ = 0;
  uint32_t records_ = 0;
  // The record that did not fit; libbpf has already let go of it.
  std::vector<uint8_t> left_over_;
};

int RingBuffer::Open(int map_fd, napi_value on_batch) {
  // A descriptor of our own: the map's goes when its object is closed.
  fd_ = fcntl(map_fd, F_DUPFD_CLOEXEC, 0);
  if (fd_ < 0) return -errno;
  rings_ = ring_buffer__new(fd_, Copy, this, nullptr);
  if (rings_ == nullptr) return -errno;
  ring_ = ring_buffer__ring(rings_, 0);
  // The map is watched itself, not libbpf's epoll descriptor around it: one wake-up less in the kernel.
  poll_ = UvHandle::Poll(environment_, fd_, this);
  if (poll_ == nullptr) return -errno;
  timer_ = UvHandle::Timer(environment_, this);
  environment_.uv_owners.insert(this);
  napi_create_reference(env_, on_batch, 1, &on_batch_);
  napi_async_init(env_, nullptr, ToJs(env_, "libbpf-node:ring_buffer"), &context_);
  return 0;
}

void RingBuffer::SetSlab(napi_value slab) {
  if (slab_ != nullptr) napi_delete_reference(env_, slab_);
  napi_create_reference(env_, slab, 1, &slab_);
}

bool RingBuffer::Put(const void* data, size_t size) {
  size_t padded = kHeader + ((size + 7) & ~size_t{7});
  if (padded > room_ - used_) return false;
  uint32_t header[2] = {static_cast<uint32_t>(size), 0};
  memcpy(memory_ + used_, header, kHeader);
  memcpy(memory_ + used_ + kHeader, data, size);
  used_ += padded;
  records_++;
  return true;
}

int RingBuffer::Copy(void* self, void* data, size_t size) {
  auto* ring = static_cast<RingBuffer*>(self);
  if (ring->Put(data, size)) return 0;
  // libbpf counts the record as consumed whatever is returned, so it has to be kept. A negative number ends the drain.
  auto* bytes = static_cast<uint8_t*>(data);
  ring->left_over_.assign(bytes, bytes + size);
  return -ENOSPC;
}

bool RingBuffer::Consume(uint32_t limit, int64_t* result) {
  napi_value slab = nullptr;
  napi_typedarray_type type;
  void* memory = nullptr;
  *result = 0;
  // Asked anew each time: whoever sees the slab can detach it.
  if (slab_ == nullptr || napi_get_reference_value(env_, slab_, &slab) != napi_ok ||
      napi_get_typedarray_info(env_, slab, &type, &room_, &memory, nullptr, nullptr) != napi_ok || memory == nullptr) {
    napi_throw_error(env_, "ERR_BPF_STATE", "the ring buffer has no slab, or it was detached");
    return false;
  }
  memory_ = static_cast<uint8_t*>(memory);
  used_ = 0;
  records_ = 0;
  if (!left_over_.empty()) {
    if (!Put(left_over_.data(), left_over_.size())) {
      *result = -static_cast<int64_t>(kHeader + ((left_over_.size() + 7) & ~size_t{7}));
      return true;
    }
    left_over_.clear();
  }
  int error = records_ < limit ? ring__consume_n(ring_, limit - records_) : 0;
  memory_ = nullptr;
  if (error < 0 && error != -ENOSPC) {
    Throw(env_, "ring__consume_n", error);
    return false;
  }
  // Nothing fitted: the same answer as if the record had been left over from before.
  *result = records_ == 0 && !left_over_.empty()
                ? -static_cast<int64_t>(kHeader + ((left_over_.size() + 7) & ~size_t{7}))
                : records_;
  return true;
}

int RingBuffer::Start(uint32_t limit) {
  limit_ = limit;
  watching_ = true;
  if (!left_over_.empty()) {
    // epoll does not know of it.
    return uv_timer_start(timer_->get(), [](uv_handle_t* h) { static_cast<RingBuffer*>(UvHandle::OwnerOf(h))->Ready(); }, 0, 0);
  }
  backoff_ms_ = kBackoffMs;
  Watch();
  return 0;
}

void RingBuffer::Watch() {
  uv_poll_start(poll_->get(), UV_READABLE,
                [](uv_handle_t* h, int, int) { static_cast<RingBuffer*>(UvHandle::OwnerOf(h))->Ready(); });
}

void RingBuffer::Stop() {
  watching_ = false;
  uv_poll_stop(poll_->get());
  uv_timer_stop(timer_->get());
}

void RingBuffer::Ref(bool on) {
  for (UvHandle* handle : {poll_, timer_}) {
    if (on) {
      uv_ref(handle->get());
    } else {
      uv_unref(handle->get());
    }
  }
}

void RingBuffer::BackOff() {
  uv_poll_stop(poll_->get());
  uv_timer_start(timer_->get(), [](uv_handle_t* h) { static_cast<RingBuffer*>(UvHandle::OwnerOf(h))->Ready(); }, backoff_ms_, 0);
  backoff_ms_ = std::min(2 * backoff_ms_, kMostBackoffMs);
}

void RingBuffer::Ready() {
  Napi::HandleScope scope(env_);
  int64_t result = 0;
  if (!Consume(limit_, &result)) {
    napi_value error = nullptr;
    napi_get_and_clear_last_exception(env_, &error);
    Stop();
    napi_fatal_exception(env_, error);
    return;
  }
  if (result == 0) {
    BackOff();
    return;
  }
  backoff_ms_ = kBackoffMs;
  Report(result);
  // The callback may have stopped or closed the ring.
  if (ring_ == nullptr || !watching_) return;
  if (!left_over_.empty()) {
    Start(limit_);
  } else if (!uv_is_active(poll_->get())) {
    Watch();
  }
}

void RingBuffer::Report(int64_t records) {
  napi_value on_batch = nullptr;
  napi_value count = nullptr;
  napi_value result = nullptr;
  napi_get_reference_value(env_, on_batch_, &on_batch);
  napi_create_int64(env_, records, &count);
  napi_status status =
      napi_make_callback(env_, context_, Napi::Env(env_).Global(), on_batch, 1, &count, &result);
  if (status != napi_pending_exception) return;
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
}

void RingBuffer::Close() {
  environment_.uv_owners.erase(this);
  if (poll_ != nullptr) poll_->Close();
  if (timer_ != nullptr) timer_->Close();
  poll_ = timer_ = nullptr;
  ring_buffer__free(rings_);
  rings_ = nullptr;
  ring_ = nullptr;
  // libuv has taken the descriptor out of its epoll set by now.
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  for (napi_ref* reference : {&on_batch_, &slab_}) {
    if (*reference != nullptr) napi_delete_reference(env_, *reference);
    *reference = nullptr;
  }
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  context_ = nullptr;
}

// ---- Functions

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  napi_value on_batch = args.function(1);
  if (!args.ok()) return nullptr;
  auto ring = std::make_unique<RingBuffer>(Environment::Of(env));
  if (!Call(env, "ring_buffer__new", [&] { return ring->Open(map->fd(), on_batch); })) return nullptr;
  return Wrap(env, ring.release());
}

napi_value SetSlab(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<RingBuffer>(0);
  args.bytes(1);
  if (args.ok()) ring->SetSlab(args[1]);
  return Undefined(env);
}

napi_value Consume(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<RingBuffer>(0);
  uint32_t limit = args.u32(1);
  int64_t result = 0;
  if (!args.ok() || !ring->Consume(limit, &result)) return nullptr;
  napi_value value = nullptr;
  napi_create_int64(env, result, &value);
  return value;
}

napi_value Start(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<RingBuffer>(0);
  auto limit = static_cast<uint32_t>(args.integer(1, 1, UINT32_MAX));
  if (args.ok()) ring->Start(limit);
  return Undefined(env);
}

napi_value Stop(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<RingBuffer>(0);
  if (args.ok()) ring->Stop();
  return Undefined(env);
}

napi_value Ref(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<RingBuffer>(0);
  bool on = args.boolean(1);
  if (args.ok()) ring->Ref(on);
  return Undefined(env);
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.closable<RingBuffer>(0);
  if (args.ok()) ring->Close();
  return Undefined(env);
}

template <size_t (*Read)(const ring*)>
napi_value SizeOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<RingBuffer>(0);
  if (!args.ok()) return nullptr;
  napi_value value = nullptr;
  napi_create_int64(env, static_cast<int64_t>(Read(ring->get())), &value);
  return value;
}

template <unsigned long (*Read)(const ring*)>
napi_value Position(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* ring = args.handle<RingBuffer>(0);
  return args.ok() ? ToJs(env, uint64_t{Read(ring->get())}) : nullptr;
}

}  // namespace

void DefineRingBuffer(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"ringBufferNew", New},
             {"ringBufferSetSlab", SetSlab},
             {"ringBufferConsume", Consume},
             {"ringBufferStart", Start},
             {"ringBufferStop", Stop},
             {"ringBufferRef", Ref},
             {"ringBufferClose", Close},
             {"ringBufferAvailable", SizeOf<ring__avail_data_size>},
             {"ringBufferSize", SizeOf<ring__size>},
             {"ringBufferConsumerPosition", Position<ring__consumer_pos>},
             {"ringBufferProducerPosition", Position<ring__producer_pos>},
         });
}
