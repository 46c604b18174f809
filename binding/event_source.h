// What ring buffers and perf buffers have in common: the way of a record from the kernel's memory to
// JavaScript. libbpf hands out one record at a time, valid only during its callback; each is copied behind
// the last into a slab that JavaScript owns, and JavaScript is called once for all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "util/edge.h"
#include "util/environment.h"
#include "util/handle.h"

class EventSource : public Handle, public LoopOwner {
 public:
  static constexpr Kind kKind = Kind::kEventSource;
  ~EventSource() override;

  // Before each record in the slab: its length, and padding.
  static constexpr size_t kHeader = 8;
  // What a record takes of a slab.
  static size_t InSlab(size_t size) { return kHeader + ((size + 7) & ~size_t{7}); }

  const char* Refusal() const override { return poll_ == nullptr ? "ERR_BPF_CLOSED" : nullptr; }

  void SetSlab(napi_value slab);
  // See sourceConsume in types/binding.d.ts; false after an exception.
  bool Consume(uint32_t limit, int64_t* result);
  // Negative errno where it cannot be woken; the interval is there all the same.
  int Start(uint32_t limit, uint32_t interval_ms, bool wakeable);
  void Stop();
  void Ref(bool on);
  void Woken(bool ended) final;
  void Close() final;

 protected:
  explicit EventSource(Environment& environment);

  // To be called when the kernel's side is open, with so many bytes mapped: watches `fd`. Negative errno
  // where that fails.
  int Open(int fd, size_t kernel_memory, napi_value on_batch);
  // For libbpf's callback: copies a record. False where there was no room for it; then it is kept, and the
  // drain has to end.
  bool Take(const void* data, size_t size);
  // How many records the drain that is going on may still take.
  uint32_t budget() const { return limit_now_ - records_; }

  // Bytes of a record that libbpf has let go of and that was not read.
  size_t left_over() const { return left_over_.size(); }

  // Has libbpf hand records to Take(), as many as the budget allows. Negative errno where libbpf fails.
  virtual int Drain() = 0;
  // Whether poll goes on reporting what was not consumed. Else it reports only what is new.
  virtual bool IsLevelTriggered() const = 0;
  // Whether poll is going to report something in the next turn without being asked.
  virtual bool WillWake() const = 0;
  // Lets go of the kernel's side. The loop has forgotten the descriptor by then.
  virtual void Release() = 0;

 private:
  bool Put(const void* data, size_t size);
  int64_t RoomForLeftOver() const;
  void Ready();
  void After(uint64_t delay_ms);
  void NextTurn();
  void Watch();
  int WatchWakeUps();
  void End();

  Environment& environment_;
  napi_env env_;
  napi_ref on_batch_ = nullptr;
  napi_ref slab_ = nullptr;
  napi_async_context context_ = nullptr;
  LoopHandle* poll_ = nullptr;
  LoopHandle* timer_ = nullptr;
  LoopHandle* idle_ = nullptr;
  EdgePoll edge_;
  int fd_ = -1;
  bool held_ = true;
  bool started_ = false;
  // poll has said that nothing will come any more.
  bool ended_ = false;
  uint32_t limit_ = 0;
  uint32_t interval_ms_ = 0;
  uint64_t backoff_ms_ = 0;

  // The drain that is going on.
  uint8_t* memory_ = nullptr;
  size_t room_ = 0;
  size_t used_ = 0;
  uint32_t records_ = 0;
  uint32_t limit_now_ = 0;
  // The record that did not fit; libbpf has already let go of it.
  std::vector<uint8_t> left_over_;
};
