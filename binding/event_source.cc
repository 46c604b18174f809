#include "event_source.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>

#include "addon.h"
#include "util/call.h"

namespace {

// A ring is readable, too, while its next record is reserved and not yet committed. Looking again is put off
// by a time that doubles, so that waiting costs little.
constexpr uint64_t kLeastBackoffMs = 1;
constexpr uint64_t kMostBackoffMs = 16;

}  // namespace

EventSource::EventSource(Environment& environment)
    : Handle(kKind), environment_(environment), env_(environment.env) {}

// Subclasses have closed it; what libbpf holds is theirs.
EventSource::~EventSource() = default;

int EventSource::Open(int fd, size_t kernel_memory, napi_value on_batch) {
  fd_ = fd;
  poll_ = LoopHandle::Poll(environment_, fd, this);
  if (poll_ == nullptr) return -errno;
  timer_ = LoopHandle::Timer(environment_, this);
  idle_ = LoopHandle::Idle(environment_, this);
  environment_.loop_owners.insert(this);
  // Weak until it is started: a source that nobody reads and nobody knows any more can go.
  napi_create_reference(env_, on_batch, 0, &on_batch_);
  Account(env_, static_cast<int64_t>(kernel_memory));
  napi_async_init(env_, nullptr, ToJs(env_, "libbpf-node:events"), &context_);
  return 0;
}

void EventSource::SetSlab(napi_value slab) {
  if (slab_ != nullptr) napi_delete_reference(env_, slab_);
  napi_create_reference(env_, slab, 1, &slab_);
}

bool EventSource::Put(const void* data, size_t size) {
  size_t padded = InSlab(size);
  if (padded > room_ - used_) return false;
  uint32_t header[2] = {static_cast<uint32_t>(size), 0};
  memcpy(memory_ + used_, header, kHeader);
  memcpy(memory_ + used_ + kHeader, data, size);
  used_ += padded;
  records_++;
  return true;
}

bool EventSource::Take(const void* data, size_t size) {
  if (Put(data, size)) return true;
  // libbpf counts the record as consumed whatever it is told, so it has to be kept.
  auto* bytes = static_cast<const uint8_t*>(data);
  left_over_.assign(bytes, bytes + size);
  return false;
}

int64_t EventSource::RoomForLeftOver() const { return -static_cast<int64_t>(InSlab(left_over_.size())); }

bool EventSource::Consume(uint32_t limit, int64_t* result) {
  napi_value slab = nullptr;
  napi_typedarray_type type;
  void* memory = nullptr;
  *result = 0;
  // Asked anew each time: whoever sees the slab can detach it.
  if (slab_ == nullptr || napi_get_reference_value(env_, slab_, &slab) != napi_ok ||
      napi_get_typedarray_info(env_, slab, &type, &room_, &memory, nullptr, nullptr) != napi_ok ||
      memory == nullptr) {
    napi_throw_error(env_, "ERR_BPF_STATE", "it has no slab, or the slab was detached");
    return false;
  }
  memory_ = static_cast<uint8_t*>(memory);
  used_ = 0;
  records_ = 0;
  limit_now_ = limit;
  if (!left_over_.empty()) {
    if (!Put(left_over_.data(), left_over_.size())) {
      *result = RoomForLeftOver();
      return true;
    }
    left_over_.clear();
  }
  int error = budget() > 0 ? Drain() : 0;
  memory_ = nullptr;
  if (error < 0) {
    Throw(env_, "ring_buffer__consume", error);
    return false;
  }
  // Where not even the first record fitted, the answer is as if it had been left over from before.
  *result = records_ == 0 && !left_over_.empty() ? RoomForLeftOver() : int64_t{records_};
  return true;
}

int EventSource::Start(uint32_t limit, uint32_t interval_ms, bool wakeable) {
  limit_ = limit;
  interval_ms_ = interval_ms;
  backoff_ms_ = kLeastBackoffMs;
  if (!started_) napi_reference_ref(env_, on_batch_, nullptr);
  started_ = true;
  // poll does not know of a record that was left over, nor, edge-triggered, of those from before.
  if (interval_ms_ > 0 || !left_over_.empty() || !IsLevelTriggered()) NextTurn();
  if (interval_ms_ == 0) Watch();
  return interval_ms_ > 0 && wakeable ? WatchWakeUps() : 0;
}

// A ring is readable while there is anything in it, so that an interval would be for nothing. Behind an
// edge-triggered epoll only the wake-up counts.
int EventSource::WatchWakeUps() {
  if (edge_.handle() == nullptr) {
    int error = edge_.Open(environment_, fd_, EPOLLIN, this);
    if (error < 0) return error;
    edge_.handle()->Ref(held_);
  }
  return edge_.handle()->Start();
}

void EventSource::Watch() {
  if (ended_) {
    NextTurn();
    return;
  }
  if (!poll_->IsActive() && poll_->Start() < 0) End();
}

void EventSource::Woken(bool ended) {
  // Where the file tells only once it has told the loop.
  edge_.Take();
  if (ended) End();
  Ready();
}

// It would be reported in each turn from now on. What is there is still read, turn by turn.
void EventSource::End() {
  ended_ = true;
  poll_->Stop();
  NextTurn();
}

void EventSource::After(uint64_t delay_ms) { timer_->Start(delay_ms); }

// Not a timer of 0 ms: one that is set anew by its own callback is due at once, and libuv before 1.49 runs
// nothing else.
void EventSource::NextTurn() { idle_->Start(); }

void EventSource::Stop() {
  if (started_) napi_reference_unref(env_, on_batch_, nullptr);
  started_ = false;
  for (LoopHandle* handle : {poll_, timer_, idle_, edge_.handle()}) {
    if (handle != nullptr) handle->Stop();
  }
}

void EventSource::Ref(bool on) {
  held_ = on;
  for (LoopHandle* handle : {poll_, timer_, idle_, edge_.handle()}) {
    if (handle != nullptr) handle->Ref(on);
  }
}

void EventSource::Ready() {
  Napi::HandleScope scope(env_);
  idle_->Stop();
  int64_t result = 0;
  if (!Consume(limit_, &result)) {
    napi_value error = nullptr;
    napi_get_and_clear_last_exception(env_, &error);
    Stop();
    napi_fatal_exception(env_, error);
    return;
  }
  bool more = !left_over_.empty() || records_ == limit_;
  if (result != 0) {
    napi_value records = nullptr;
    napi_create_int64(env_, result, &records);
    CallBack(env_, context_, on_batch_, 1, &records);
  } else if (ended_) {
    napi_value end = Undefined(env_);
    CallBack(env_, context_, on_batch_, 1, &end);
  }
  // The callback may have stopped or closed the source.
  if (poll_ == nullptr || !started_) return;
  if (ended_) {
    if (result != 0) NextTurn();
  } else if (more && (interval_ms_ > 0 || !WillWake())) {
    NextTurn();
  } else if (interval_ms_ > 0) {
    After(interval_ms_);
  } else if (result == 0 && IsLevelTriggered() && poll_->IsActive()) {
    poll_->Stop();
    After(backoff_ms_);
    backoff_ms_ = std::min(2 * backoff_ms_, kMostBackoffMs);
  } else {
    // After a wait in vain, too: poll knows whether the record is still reserved or was discarded.
    if (result != 0) backoff_ms_ = kLeastBackoffMs;
    Watch();
  }
}

void EventSource::Close() {
  environment_.loop_owners.erase(this);
  started_ = false;
  Account(env_, 0);
  for (LoopHandle** handle : {&poll_, &timer_, &idle_}) {
    if (*handle != nullptr) (*handle)->Close();
    *handle = nullptr;
  }
  edge_.Close();
  Release();
  for (napi_ref* reference : {&on_batch_, &slab_}) {
    if (*reference != nullptr) napi_delete_reference(env_, *reference);
    *reference = nullptr;
  }
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  context_ = nullptr;
}

// ---- Functions

namespace {

napi_value SetSlab(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* source = args.handle<EventSource>(0);
  args.bytes(1);
  if (args.ok()) source->SetSlab(args[1]);
  return Undefined(env);
}

napi_value Consume(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* source = args.handle<EventSource>(0);
  uint32_t limit = args.u32(1);
  int64_t result = 0;
  if (!args.ok() || !source->Consume(limit, &result)) return nullptr;
  napi_value value = nullptr;
  napi_create_int64(env, result, &value);
  return value;
}

napi_value Start(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* source = args.handle<EventSource>(0);
  auto limit = static_cast<uint32_t>(args.integer(1, 1, UINT32_MAX));
  uint32_t interval_ms = args.u32(2);
  bool wakeable = args.boolean(3);
  int error = args.ok() ? source->Start(limit, interval_ms, wakeable) : 0;
  if (error < 0) Throw(env, "epoll_ctl", error);
  return Undefined(env);
}

napi_value Stop(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* source = args.handle<EventSource>(0);
  if (args.ok()) source->Stop();
  return Undefined(env);
}

napi_value Ref(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* source = args.handle<EventSource>(0);
  bool on = args.boolean(1);
  if (args.ok()) source->Ref(on);
  return Undefined(env);
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* source = args.closable<EventSource>(0);
  if (args.ok()) source->Close();
  return Undefined(env);
}

}  // namespace

void DefineEventSource(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"sourceSetSlab", SetSlab},
             {"sourceConsume", Consume},
             {"sourceStart", Start},
             {"sourceStop", Stop},
             {"sourceRef", Ref},
             {"sourceClose", Close},
         });
}
