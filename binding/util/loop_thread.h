// A thread that waits with epoll and wakes JavaScript through a threadsafe function. It serves Bun, which has
// no uv_poll, and Deno, whose uv_poll reports nothing. After it has reported a descriptor, it waits for that
// descriptor again once JavaScript has dealt with the report.
#pragma once

#include <node_api.h>
#include <pthread.h>

#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "loop.h"
#include "unique_fd.h"

class LoopThread {
 public:
  // Returns null after an exception. The thread starts with the first handle.
  static std::unique_ptr<LoopThread> Create(napi_env env);
  ~LoopThread();

  LoopHandle* Poll(int fd, LoopOwner* owner, bool reports_once);
  LoopHandle* Timer(LoopOwner* owner);
  LoopHandle* Idle(LoopOwner* owner);

 private:
  enum class Kind { kPoll, kTimer, kIdle };
  class Handle;
  using Clock = uint64_t;  // nanoseconds
  // Says that a handle is ready.
  struct Report {
    uint64_t id;
    bool ended;
  };

  explicit LoopThread(napi_env env) : env_(env) {}
  bool Open();
  bool Begin();
  Handle* Add(Kind kind, int fd, LoopOwner* owner, bool reports_once = false);
  // Called on the thread.
  void Tell(uint64_t id, bool ended);
  void Dispatch();
  void NextTurn(Report report);
  static void Forget(std::vector<Report>& reports, uint64_t id);
  void RunTurn();
  void CountRefs();
  void Interrupt();
  void Run();
  int UntilNextTimer(Clock now);

  napi_env env_;
  napi_threadsafe_function wake_ = nullptr;
  bool is_ref_ = true;
  UniqueFd epoll_fd_;
  UniqueFd event_fd_;
  pthread_t thread_;
  bool runs_ = false;

  // Only used on JavaScript's thread. Ids are never used twice, so a report about a handle that has been
  // closed in the meantime finds nothing.
  std::unordered_map<uint64_t, Handle*> handles_;
  uint64_t last_id_ = 0;
  // Handles to wake in the next turn, and the function that setImmediate calls to do so.
  std::vector<Report> turns_;
  napi_ref run_turn_ = nullptr;

  std::mutex mutex_;  // for the members below
  bool quits_ = false;
  bool is_waking_ = false;
  std::vector<Report> reports_;
  std::multimap<Clock, uint64_t> timers_;
};
