// An opaque handle for JavaScript: an External around a C++ object that knows its kind, so that one handle
// cannot pass for another.
#pragma once

#include <node_api.h>

#include <cstdint>

// Random numbers, so that a foreign External is taken for one of ours by nobody.
enum class Kind : uint64_t {
  kObject = 0x6b1f0c5d9e3a7241,
  kProgram,
  kMap,
  kLink,
  kEventSource,
  kUserRingBuffer,
  kPerfRecorder,
  kBtf,
  kLinker,
  kMappedMemory,
  kLongLog,
};

class Handle {
 public:
  explicit Handle(Kind kind) : kind(kind) {}
  virtual ~Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  // Null where the handle may be used; else the `code` of the error to throw.
  virtual const char* Refusal() const = 0;

  // Tells V8 of memory behind the handle that it cannot see, so that forgotten handles are collected in time.
  void Account(napi_env env, int64_t bytes) {
    int64_t total = 0;
    if (bytes != accounted_) napi_adjust_external_memory(env, bytes - accounted_, &total);
    accounted_ = bytes;
  }

  const Kind kind;

 private:
  int64_t accounted_ = 0;
};

// Gives the handle to JavaScript, whose garbage collector deletes it.
inline napi_value Wrap(napi_env env, Handle* handle) {
  napi_value value = nullptr;
  auto forget = [](napi_env env, void* data, void*) {
    auto* forgotten = static_cast<Handle*>(data);
    forgotten->Account(env, 0);
    delete forgotten;
  };
  napi_status status = napi_create_external(env, handle, forget, nullptr, &value);
  if (status != napi_ok) forget(env, handle, nullptr);
  return value;
}
