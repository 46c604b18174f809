// An opaque handle for JavaScript: an External with a C++ object that knows its kind, so that handles of
// different kinds cannot be confused.
#pragma once

#include <node_api.h>

#include <cstdint>

// The first value is random, so that Externals of other addons are not taken for ours.
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
  kUmem,
  kXsk,
};

class Handle {
 public:
  explicit Handle(Kind kind) : kind(kind) {}
  virtual ~Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  // Null if the handle can be used, otherwise the `code` of the error to throw.
  virtual const char* Refusal() const = 0;

  // Reports the memory behind the handle to V8, so that handles without references are collected in time.
  void Account(napi_env env, int64_t bytes) {
    int64_t total = 0;
    if (bytes != accounted_) napi_adjust_external_memory(env, bytes - accounted_, &total);
    accounted_ = bytes;
  }

  const Kind kind;

 private:
  int64_t accounted_ = 0;
};

// Passes the handle to JavaScript, whose garbage collector deletes it.
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
