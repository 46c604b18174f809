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
  kBtf,
  kLinker,
  kMappedMemory,
};

class Handle {
 public:
  explicit Handle(Kind kind) : kind(kind) {}
  virtual ~Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  // Null where the handle may be used; else the `code` of the error to throw.
  virtual const char* Refusal() const = 0;

  const Kind kind;
};

// Gives the handle to JavaScript, whose garbage collector deletes it.
inline napi_value Wrap(napi_env env, Handle* handle) {
  napi_value value = nullptr;
  napi_status status = napi_create_external(
      env, handle, [](napi_env, void* data, void*) { delete static_cast<Handle*>(data); }, nullptr, &value);
  if (status != napi_ok) delete handle;
  return value;
}
