#include "loop_thread.h"

#include <napi.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "args.h"

namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
// The id of the eventfd in epoll: no handle has this id.
constexpr uint64_t kInterrupt = 0;
// epoll reports errors and the end even if it is not asked to: this way only once.
constexpr uint32_t kNothing = EPOLLONESHOT;

uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 * kNsPerMs + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

class LoopThread::Handle final : public LoopHandle {
 public:
  Handle(LoopThread& loop, Kind kind, int fd, LoopOwner* owner, bool reports_once, uint64_t id)
      : loop_(loop), kind_(kind), fd_(fd), owner_(owner), reports_once_(reports_once), id_(id) {}

  int Start(uint64_t delay_ms) override {
    if (kind_ != Kind::kTimer && active_) return 0;
    if (kind_ == Kind::kTimer) Stop();
    active_ = true;
    loop_.CountRefs();
    return Arm(delay_ms);
  }

  // Has the handle reported (again).
  int Arm(uint64_t delay_ms = 0) {
    armed_ = true;
    if (kind_ == Kind::kPoll) return Watch(EPOLLIN | EPOLLRDHUP | EPOLLONESHOT);
    if (kind_ == Kind::kIdle) {
      loop_.NextTurn({id_, false});
      return 0;
    }
    std::lock_guard<std::mutex> lock(loop_.mutex_);
    loop_.timers_.emplace(Now() + delay_ms * kNsPerMs, id_);
    loop_.Interrupt();
    return 0;
  }

  void Stop() override {
    if (!active_) return;
    active_ = false;
    armed_ = false;
    loop_.CountRefs();
    if (kind_ == Kind::kPoll) Watch(kNothing);
    std::lock_guard<std::mutex> lock(loop_.mutex_);
    if (kind_ == Kind::kTimer) {
      auto timer = std::find_if(loop_.timers_.begin(), loop_.timers_.end(),
                                [this](const auto& entry) { return entry.second == id_; });
      if (timer != loop_.timers_.end()) loop_.timers_.erase(timer);
    }
    // Reports from before do not count any more.
    loop_.Forget(loop_.reports_, id_);
    loop_.Forget(loop_.turns_, id_);
  }

  bool IsActive() const override { return active_; }

  void Ref(bool on) override {
    is_ref_ = on;
    loop_.CountRefs();
  }

  void Close() override {
    Stop();
    if (kind_ == Kind::kPoll) epoll_ctl(loop_.epoll_fd_.get(), EPOLL_CTL_DEL, fd_, nullptr);
    loop_.handles_.erase(id_);
    delete this;
  }

  bool HoldsLoop() const { return active_ && is_ref_; }

  int Watch(uint32_t events, int operation = EPOLL_CTL_MOD) {
    epoll_event event = {};
    event.events = events;
    event.data.u64 = id_;
    return epoll_ctl(loop_.epoll_fd_.get(), operation, fd_, &event) < 0 ? -errno : 0;
  }

  void Woken(bool ended) {
    armed_ = false;
    if (kind_ == Kind::kTimer) {
      active_ = false;
      loop_.CountRefs();
    }
    LoopThread& loop = loop_;
    uint64_t id = id_;
    // Arming swallows a wake-up that poll() reports only once. Done first, the owner finds what it was for.
    if (reports_once_ && active_) Arm();
    owner_->Woken(ended);
    // The owner may have closed the handle.
    auto found = loop.handles_.find(id);
    if (found != loop.handles_.end() && active_ && !armed_) Arm();
  }

 private:
  LoopThread& loop_;
  Kind kind_;
  int fd_;
  LoopOwner* owner_;
  bool reports_once_;
  uint64_t id_;
  bool active_ = false;
  // It will be reported, now or when it gets ready.
  bool armed_ = false;
  bool is_ref_ = true;
};

std::unique_ptr<LoopThread> LoopThread::Create(napi_env env) {
  std::unique_ptr<LoopThread> loop(new LoopThread(env));
  napi_value name = ToJs(env, "libbpf-node:loop");
  // The function is released before the loop is freed.
  bool made = napi_create_threadsafe_function(
                  env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, loop.get(),
                  [](napi_env env, napi_value, void* self, void*) {
                    if (env != nullptr) static_cast<LoopThread*>(self)->Dispatch();
                  },
                  &loop->wake_) == napi_ok;
  if (!made || !loop->Open()) {
    napi_throw_error(env, nullptr, "cannot create a threadsafe function or an epoll descriptor");
    return nullptr;
  }
  napi_value run = nullptr;
  napi_create_function(
      env, nullptr, 0,
      [](napi_env env, napi_callback_info info) -> napi_value {
        void* self = nullptr;
        napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &self);
        static_cast<LoopThread*>(self)->RunTurn();
        return nullptr;
      },
      loop.get(), &run);
  napi_create_reference(env, run, 1, &loop->run_turn_);
  loop->CountRefs();
  return loop;
}

LoopThread::~LoopThread() {
  if (runs_) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      quits_ = true;
    }
    Interrupt();
    pthread_join(thread_, nullptr);
  }
  if (run_turn_ != nullptr) napi_delete_reference(env_, run_turn_);
  if (wake_ != nullptr) napi_release_threadsafe_function(wake_, napi_tsfn_abort);
}

bool LoopThread::Open() {
  epoll_fd_.Reset(epoll_create1(EPOLL_CLOEXEC));
  event_fd_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_fd_.IsOpen() || !event_fd_.IsOpen()) return false;
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = kInterrupt;
  return epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, event_fd_.get(), &event) == 0;
}

bool LoopThread::Begin() {
  if (runs_) return true;
  int error = pthread_create(
      &thread_, nullptr,
      [](void* self) -> void* {
        static_cast<LoopThread*>(self)->Run();
        return nullptr;
      },
      this);
  errno = error;
  runs_ = error == 0;
  return runs_;
}

LoopThread::Handle* LoopThread::Add(Kind kind, int fd, LoopOwner* owner, bool reports_once) {
  if (!Begin()) return nullptr;
  uint64_t id = ++last_id_;
  auto* handle = new Handle(*this, kind, fd, owner, reports_once, id);
  if (kind == Kind::kPoll && handle->Watch(kNothing, EPOLL_CTL_ADD) != 0) {
    delete handle;
    return nullptr;
  }
  handles_.emplace(id, handle);
  return handle;
}

LoopHandle* LoopThread::Poll(int fd, LoopOwner* owner, bool reports_once) {
  return Add(Kind::kPoll, fd, owner, reports_once);
}
LoopHandle* LoopThread::Timer(LoopOwner* owner) { return Add(Kind::kTimer, -1, owner); }
LoopHandle* LoopThread::Idle(LoopOwner* owner) { return Add(Kind::kIdle, -1, owner); }

// The threadsafe function keeps the process alive for as long as at least one handle should.
void LoopThread::CountRefs() {
  bool holds = std::any_of(handles_.begin(), handles_.end(),
                           [](const auto& entry) { return entry.second->HoldsLoop(); });
  if (holds == is_ref_) return;
  is_ref_ = holds;
  if (holds) {
    napi_ref_threadsafe_function(env_, wake_);
  } else {
    napi_unref_threadsafe_function(env_, wake_);
  }
}

void LoopThread::Tell(uint64_t id, bool ended) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    reports_.push_back({id, ended});
    if (is_waking_) return;
    is_waking_ = true;
  }
  napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

// Calls that are made while the threadsafe function runs are handled at once, and not in the next turn of the
// event loop. setImmediate waits for the next turn.
void LoopThread::NextTurn(Report report) {
  turns_.push_back(report);
  if (turns_.size() > 1) return;
  Napi::HandleScope scope(env_);
  napi_value global = nullptr;
  napi_value set_immediate = nullptr;
  napi_value run = nullptr;
  napi_value result = nullptr;
  napi_get_global(env_, &global);
  napi_get_named_property(env_, global, "setImmediate", &set_immediate);
  napi_get_reference_value(env_, run_turn_, &run);
  napi_call_function(env_, global, set_immediate, 1, &run, &result);
}

void LoopThread::Forget(std::vector<Report>& reports, uint64_t id) {
  auto is_its = [id](const Report& report) { return report.id == id; };
  reports.erase(std::remove_if(reports.begin(), reports.end(), is_its), reports.end());
}

void LoopThread::RunTurn() {
  std::vector<Report> turns;
  turns.swap(turns_);
  for (const Report& report : turns) {
    // The handle may have been closed or stopped in the meantime.
    auto found = handles_.find(report.id);
    if (found != handles_.end() && found->second->IsActive()) found->second->Woken(report.ended);
  }
}

void LoopThread::Dispatch() {
  std::vector<Report> reports;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    is_waking_ = false;
    reports.swap(reports_);
  }
  for (const Report& report : reports) NextTurn(report);
}

void LoopThread::Interrupt() {
  uint64_t one = 1;
  // The write only fails if the counter is full, and then the thread wakes up anyway.
  [[maybe_unused]] ssize_t written = write(event_fd_.get(), &one, sizeof(one));
}

// Reports the timers that are due. Returns the milliseconds until the next one, or -1 if there is none.
int LoopThread::UntilNextTimer(Clock now) {
  while (true) {
    uint64_t due;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (timers_.empty()) return -1;
      auto first = timers_.begin();
      if (first->first > now) {
        return static_cast<int>(std::min<uint64_t>((first->first - now + kNsPerMs - 1) / kNsPerMs, 60'000));
      }
      due = first->second;
      timers_.erase(first);
    }
    Tell(due, false);
  }
}

void LoopThread::Run() {
  pthread_setname_np(pthread_self(), "libbpf-node");
  epoll_event events[64];
  while (true) {
    int count = epoll_wait(epoll_fd_.get(), events, 64, UntilNextTimer(Now()));
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (quits_) return;
    }
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == kInterrupt) {
        uint64_t times;
        [[maybe_unused]] ssize_t taken = read(event_fd_.get(), &times, sizeof(times));
      } else {
        Tell(events[i].data.u64, (events[i].events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0);
      }
    }
  }
}
