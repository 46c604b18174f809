// What the binding has event loops wait for: descriptors, time, the next turn. By libuv in Node.js and
// Electron; by a thread of its own in runtimes whose libuv is a facade.
#pragma once

#include <cstdint>

class Environment;

class LoopOwner {
 public:
  // The descriptor is readable, the time is up, the next turn has come. `ended`: nothing will come of this
  // descriptor any more, and it would be reported again and again.
  virtual void Woken(bool ended) = 0;
  // The environment ends.
  virtual void Close() = 0;

 protected:
  ~LoopOwner() = default;
};

// While it is started it keeps the process alive, unless told otherwise by Ref. Owners drop it with Close():
// it deletes itself when its loop has let go of it.
class LoopHandle {
 public:
  // A descriptor: woken as long as it is readable. Null, and errno is set, where the loop refuses it.
  static LoopHandle* Poll(Environment& environment, int fd, LoopOwner* owner);
  // Woken once.
  static LoopHandle* Timer(Environment& environment, LoopOwner* owner);
  // Woken in each turn.
  static LoopHandle* Idle(Environment& environment, LoopOwner* owner);

  // `delay_ms` is for timers. Negative errno where the loop refuses.
  virtual int Start(uint64_t delay_ms = 0) = 0;
  virtual void Stop() = 0;
  virtual bool IsActive() const = 0;
  virtual void Ref(bool on) = 0;
  virtual void Close() = 0;

 protected:
  virtual ~LoopHandle() = default;
};
