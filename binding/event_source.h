// What ring buffers and perf buffers have in common: how a record gets from the memory that the kernel shares
// with us to JavaScript. The event loop only tells JavaScript that there are records. JavaScript then asks
// for them, and a whole batch is copied into a slab that JavaScript owns. Nothing else ever writes to the
// slab.
#pragma once

#include <cstdint>

#include "util/args.h"
#include "util/edge.h"
#include "util/environment.h"
#include "util/handle.h"

class EventSource : public Handle, public LoopOwner {
 public:
  static constexpr Kind kKind = Kind::kEventSource;
  ~EventSource() override;

  // In the slab, a header with the record's length comes before each record.
  static constexpr size_t kHeader = 8;
  // How many bytes of a slab a record of `size` bytes needs.
  static size_t InSlab(size_t size) { return kHeader + ((size + 7) & ~size_t{7}); }

  const char* Refusal() const override { return poll_ == nullptr ? "ERR_BPF_CLOSED" : nullptr; }

  void SetSlab(napi_value slab);
  // See sourceConsume in types/binding/events.d.ts. Returns false after an exception.
  bool Consume(uint32_t limit, int64_t* result);
  // Returns a negative errno if wake-ups cannot be watched; the interval works even then.
  int Watch(uint32_t interval_ms, bool wakeable);
  void Stop();
  void Woken(bool ended) final;
  void Close() final;

 protected:
  // The part of the slab that is free, and how many records may still go there.
  struct Batch {
    uint8_t* memory;
    size_t room;
    uint32_t limit;
    size_t used = 0;
    uint32_t records = 0;
    // There was another record, but no room for it.
    bool has_more = false;
    // How much room the very first record would have needed.
    size_t needed = 0;

    // Makes room for a record that takes `size` bytes of the slab. Null if there is none.
    uint8_t* Add(size_t size);
    // Makes room for several records. There must be so much, and false means that there are none.
    bool Add(size_t size, uint32_t count) {
      used += size;
      records += count;
      return count > 0;
    }
    // Notes that there is no room for a record.
    void Refuse(size_t size);
  };

  explicit EventSource(Environment& environment);

  // Subclasses call this once they have mapped the kernel's buffer. Returns a negative errno if the event
  // loop cannot watch `fd`.
  int Open(int fd, size_t kernel_memory, napi_value on_ready);

  // Whether the next record can be read.
  virtual bool HasRecords() const = 0;
  // Copies records into the batch and consumes them. Returns a negative errno if the buffer cannot be read.
  virtual int Drain(Batch& batch) = 0;
  // The name of libbpf's function for Drain(), for errors.
  virtual const char* drain_operation() const = 0;
  // Whether poll() reports a buffer for as long as there is something in it. Otherwise, poll() reports each
  // wake-up only once.
  virtual bool IsLevelTriggered() const = 0;
  // poll() has said that nothing more will come: in how many milliseconds that is true; negative if it is
  // not, because the buffer can be watched again.
  virtual int EndsIn() { return 0; }
  // Unmaps the kernel's buffer. The event loop no longer watches its descriptor by then.
  virtual void Release() = 0;

 private:
  void Tell(bool ended);
  void Continue(bool anew);
  void Wait();
  void Look(int turns);
  int WatchWakeUps();

  Environment& environment_;
  napi_env env_;
  napi_ref on_ready_ = nullptr;
  napi_ref slab_ = nullptr;
  napi_async_context context_ = nullptr;
  LoopHandle* poll_ = nullptr;
  LoopHandle* timer_ = nullptr;
  LoopHandle* idle_ = nullptr;
  EdgePoll edge_;
  int fd_ = -1;
  bool watched_ = false;
  // JavaScript knows that there are records and has not asked to be told again.
  bool told_ = false;
  // poll() has said that nothing more will come.
  bool ended_ = false;
  // The last batch has left records behind.
  bool has_more_ = false;
  // For how many turns of the event loop idle_ still runs.
  int turns_ = 0;
  uint32_t interval_ms_ = 0;
  uint64_t backoff_ms_ = 0;
};

// The source behind a handle, which may be one of another class. Null after an exception.
template <class Source>
Source* SourceOf(napi_env env, Args& args) {
  auto* source = args.handle<EventSource>(0);
  if (!args.ok()) return nullptr;
  auto* found = dynamic_cast<Source*>(source);
  if (found == nullptr) napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", Source::kIsNot);
  return found;
}

template <class Source, size_t (Source::*read)() const>
napi_value SourceSize(napi_env env, napi_callback_info info) {
  Args args(env, info);
  const Source* source = SourceOf<Source>(env, args);
  if (source == nullptr) return nullptr;
  napi_value value = nullptr;
  napi_create_int64(env, static_cast<int64_t>((source->*read)()), &value);
  return value;
}
