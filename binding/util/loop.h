// What the binding waits for: descriptors, timers, the next turn of the event loop. libuv does the waiting in
// Node.js and Electron. Runtimes that only imitate libuv get a thread of our own.
#pragma once

#include <cstdint>

class Environment;

class LoopOwner {
 public:
  // The descriptor is readable, the time is up, or the next turn has come. `ended` says that the descriptor
  // will not report anything new, but would report its end again and again.
  virtual void Woken(bool ended) = 0;
  // The environment ends.
  virtual void Close() = 0;

 protected:
  ~LoopOwner() = default;
};

// A started handle keeps the process alive, unless Ref(false) was called. Owners drop it with Close(): it
// deletes itself once its loop has let go of it.
class LoopHandle {
 public:
  // Wakes its owner for as long as the descriptor is readable. If the descriptor `reports_once`, poll() tells
  // of each wake-up only once; the owner then has to look for itself after it has started the handle. Returns
  // null, with errno set, if the loop refuses the descriptor.
  static LoopHandle* Poll(Environment& environment, int fd, LoopOwner* owner, bool reports_once = false);
  // Wakes its owner once.
  static LoopHandle* Timer(Environment& environment, LoopOwner* owner);
  // Wakes its owner in each turn.
  static LoopHandle* Idle(Environment& environment, LoopOwner* owner);

  // `delay_ms` is for timers. Returns a negative errno if the loop refuses.
  virtual int Start(uint64_t delay_ms = 0) = 0;
  virtual void Stop() = 0;
  virtual bool IsActive() const = 0;
  virtual void Ref(bool on) = 0;
  virtual void Close() = 0;

 protected:
  virtual ~LoopHandle() = default;
};
