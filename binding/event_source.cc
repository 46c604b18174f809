#include "event_source.h"

#include <sys/epoll.h>

#include <algorithm>

#include "addon.h"
#include "util/call.h"

namespace {

// poll() also reports a ring whose next record is reserved but not yet committed. The ring is then left alone
// for a while that doubles each time, so that waiting costs little.
constexpr uint64_t kLeastBackoffMs = 1;
constexpr uint64_t kMostBackoffMs = 16;

// The event loop registers a descriptor at its next poll, and idle_ runs before that: the first turn comes
// too early to see what registering has swallowed, the second does not.
constexpr int kTurnsToRegister = 2;

}  // namespace

uint8_t* EventSource::Batch::Add(size_t size) {
  if (records == limit || size > room - used) {
    Refuse(size);
    return nullptr;
  }
  uint8_t* place = memory + used;
  used += size;
  records++;
  return place;
}

void EventSource::Batch::Refuse(size_t size) {
  has_more = true;
  if (records == 0 && limit > 0) needed = size;
}

EventSource::EventSource(Environment& environment)
    : Handle(kKind), environment_(environment), env_(environment.env) {}

// Subclasses call Close() in their destructors: by now, what Release() needs is gone.
EventSource::~EventSource() = default;

int EventSource::Open(int fd, size_t kernel_memory, napi_value on_ready) {
  fd_ = fd;
  poll_ = LoopHandle::Poll(environment_, fd, this, !IsLevelTriggered());
  if (poll_ == nullptr) return -errno;
  timer_ = LoopHandle::Timer(environment_, this);
  idle_ = LoopHandle::Idle(environment_, this);
  // Whether a reader keeps the process alive is decided once for all of its sources, in JavaScript.
  for (LoopHandle* handle : {poll_, timer_, idle_}) handle->Ref(false);
  environment_.loop_owners.insert(this);
  // Weak, so that a reader that nobody uses can be collected. JavaScript keeps those that are in use.
  napi_create_reference(env_, on_ready, 0, &on_ready_);
  Account(env_, static_cast<int64_t>(kernel_memory));
  napi_async_init(env_, nullptr, ToJs(env_, "libbpf-node:events"), &context_);
  return 0;
}

void EventSource::SetSlab(napi_value slab) {
  if (slab_ != nullptr) napi_delete_reference(env_, slab_);
  napi_create_reference(env_, slab, 1, &slab_);
}

bool EventSource::Consume(uint32_t limit, int64_t* result) {
  *result = 0;
  has_more_ = false;
  if (limit == 0 || !HasRecords()) return true;
  napi_value slab = nullptr;
  napi_typedarray_type type;
  void* memory = nullptr;
  size_t room = 0;
  // Looked up each time, because JavaScript can detach the slab.
  if (slab_ == nullptr || napi_get_reference_value(env_, slab_, &slab) != napi_ok ||
      napi_get_typedarray_info(env_, slab, &type, &room, &memory, nullptr, nullptr) != napi_ok ||
      memory == nullptr) {
    napi_throw_error(env_, "ERR_BPF_STATE", "the memory for records was transferred or detached");
    return false;
  }
  Batch batch{static_cast<uint8_t*>(memory), room, limit};
  int error = Drain(batch);
  if (error < 0) {
    Throw(env_, drain_operation(), error);
    return false;
  }
  has_more_ = batch.has_more;
  *result = batch.records > 0 ? int64_t{batch.records} : -static_cast<int64_t>(batch.needed);
  return true;
}

int EventSource::Watch(uint32_t interval_ms, bool wakeable) {
  interval_ms_ = interval_ms;
  backoff_ms_ = kLeastBackoffMs;
  watched_ = true;
  told_ = false;
  Continue(true);
  return interval_ms_ > 0 && wakeable ? WatchWakeUps() : 0;
}

// Waits for the next records. `anew` means that a reader has just begun to wait, so there may be records
// already.
void EventSource::Continue(bool anew) {
  if (ended_) {
    Look(1);
  } else if (interval_ms_ > 0) {
    if (anew || has_more_) {
      Look(1);
    } else {
      timer_->Start(interval_ms_);
    }
  } else if (!poll_->IsActive()) {
    if (poll_->Start() < 0) ended_ = true;
    if (ended_ || !IsLevelTriggered()) Look(kTurnsToRegister);
  } else if (!IsLevelTriggered() && (has_more_ || (anew && HasRecords()))) {
    // poll() has reported these before.
    Look(1);
  }
}

// A ring is readable while there is anything in it, which would make an interval pointless. An edge-triggered
// epoll in between reports only the wake-ups.
int EventSource::WatchWakeUps() {
  if (edge_.handle() == nullptr) {
    int error = edge_.Open(environment_, fd_, EPOLLIN, this);
    if (error < 0) return error;
    edge_.handle()->Ref(false);
  }
  if (edge_.handle()->IsActive()) return 0;
  Look(kTurnsToRegister);
  return edge_.handle()->Start();
}

// Looks for records at the beginning of each of the next turns of the event loop. A timer of 0 ms would not
// do: libuv before 1.49 runs a timer that is set again by its own callback without ever leaving the timers.
void EventSource::Look(int turns) {
  turns_ = std::max(turns_, turns);
  idle_->Start();
}

void EventSource::Woken(bool ended) {
  // An epoll descriptor stays readable until someone asks it what has happened.
  edge_.Take();
  int ends_in = ended ? EndsIn() : 0;
  if (ends_in > 0) {
    // What watches stops for so long; then poll() says it again.
    poll_->Stop();
    timer_->Start(static_cast<uint64_t>(ends_in));
    return;
  }
  if (ended && ends_in == 0) {
    // From now on, poll() would report the end in each turn.
    ended_ = true;
    poll_->Stop();
  }
  if (told_) {
    // Most readers have asked for more before the next record comes, so it pays to stop watching only now.
    poll_->Stop();
    idle_->Stop();
    return;
  }
  bool has_records = HasRecords();
  if (has_records || ended_) {
    Tell(!has_records);
  } else {
    Wait();
  }
}

// Continues waiting after a check that has found no records.
void EventSource::Wait() {
  if (turns_ > 0 && --turns_ > 0) return;
  idle_->Stop();
  if (interval_ms_ > 0) {
    timer_->Start(interval_ms_);
  } else if (IsLevelTriggered() && poll_->IsActive()) {
    poll_->Stop();
    timer_->Start(backoff_ms_);
    backoff_ms_ = std::min(2 * backoff_ms_, kMostBackoffMs);
  } else if (!poll_->IsActive() && poll_->Start() < 0) {
    ended_ = true;
    Look(1);
  }
}

void EventSource::Tell(bool ended) {
  Napi::HandleScope scope(env_);
  told_ = true;
  turns_ = 0;
  backoff_ms_ = kLeastBackoffMs;
  idle_->Stop();
  timer_->Stop();
  napi_value on_ready = nullptr;
  // The reader may have been collected; then this source follows soon.
  if (napi_get_reference_value(env_, on_ready_, &on_ready) != napi_ok || on_ready == nullptr) return;
  napi_value argument = nullptr;
  napi_get_boolean(env_, ended, &argument);
  napi_value answer = CallBack(env_, context_, on_ready_, 1, &argument);
  bool again = false;
  if (answer != nullptr) napi_get_value_bool(env_, answer, &again);
  // The callback may have closed or stopped the source, or watched it again.
  if (poll_ == nullptr || !watched_ || !told_ || !again) return;
  told_ = false;
  Continue(false);
}

void EventSource::Stop() {
  watched_ = false;
  told_ = false;
  turns_ = 0;
  for (LoopHandle* handle : {poll_, timer_, idle_, edge_.handle()}) {
    if (handle != nullptr) handle->Stop();
  }
}

void EventSource::Close() {
  environment_.loop_owners.erase(this);
  watched_ = false;
  Account(env_, 0);
  for (LoopHandle** handle : {&poll_, &timer_, &idle_}) {
    if (*handle != nullptr) (*handle)->Close();
    *handle = nullptr;
  }
  edge_.Close();
  Release();
  for (napi_ref* reference : {&on_ready_, &slab_}) {
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
  Args args(env, info, 2);
  auto* source = args.handle<EventSource>(0);
  uint32_t limit = args.u32(1);
  int64_t result = 0;
  if (!args.ok() || !source->Consume(limit, &result)) return nullptr;
  napi_value value = nullptr;
  napi_create_int64(env, result, &value);
  return value;
}

napi_value Watch(napi_env env, napi_callback_info info) {
  Args args(env, info, 3);
  auto* source = args.handle<EventSource>(0);
  uint32_t interval_ms = args.u32(1);
  bool wakeable = args.boolean(2);
  int error = args.ok() ? source->Watch(interval_ms, wakeable) : 0;
  if (error < 0) Throw(env, "epoll_ctl", error);
  return Undefined(env);
}

napi_value Stop(napi_env env, napi_callback_info info) {
  Args args(env, info, 1);
  auto* source = args.handle<EventSource>(0);
  if (args.ok()) source->Stop();
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
             {"sourceWatch", Watch},
             {"sourceStop", Stop},
             {"sourceClose", Close},
         });
}
