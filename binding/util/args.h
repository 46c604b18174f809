// The arguments of a native call. Each accessor checks its argument. The first one that is wrong throws, and
// later accessors return empty values, so a function reads all its arguments and then checks ok() once.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handle.h"
#include "owned_bytes.h"

struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
};

class Args {
 public:
  // Functions that are called millions of times pass their number of arguments, so that only these are read.
  Args(napi_env env, napi_callback_info info, size_t count = kMost) : env_(env), count_(count) {
    napi_get_cb_info(env, info, &count_, values_, nullptr, &data_);
  }

  bool ok() const { return ok_; }
  // The number of arguments in the call.
  size_t count() const { return count_; }
  // The `data` that the function was registered with.
  void* data() const { return data_; }
  napi_value operator[](size_t i) const { return values_[i]; }

  // A handle of kind T that is neither closed nor busy.
  template <class T>
  T* handle(size_t i) {
    T* handle = closable<T>(i);
    if (handle == nullptr) return nullptr;
    const char* refusal = handle->Refusal();
    if (refusal == nullptr) return handle;
    Refuse(refusal);
    return nullptr;
  }

  // A handle of kind T in any state.
  template <class T>
  T* closable(size_t i) {
    return HandleIn<T>(i, values_[i]);
  }

  // An array of handles of kind T in any state.
  template <class T>
  std::vector<T*> closables(size_t i) {
    uint32_t count = 0;
    std::vector<T*> handles;
    if (ok_ && napi_get_array_length(env_, values_[i], &count) != napi_ok) Mistype(i, "an array of handles");
    for (uint32_t k = 0; k < count && ok_; k++) {
      napi_value element = nullptr;
      napi_get_element(env_, values_[i], k, &element);
      T* handle = HandleIn<T>(i, element);
      if (handle != nullptr) handles.push_back(handle);
    }
    return handles;
  }

  int64_t integer(size_t i, int64_t least, int64_t most);
  uint32_t u32(size_t i) { return static_cast<uint32_t>(integer(i, 0, UINT32_MAX)); }
  int32_t i32(size_t i) { return static_cast<int32_t>(integer(i, INT32_MIN, INT32_MAX)); }
  // A number from 0 to 2^53 - 1.
  uint64_t u53(size_t i) { return static_cast<uint64_t>(integer(i, 0, (int64_t{1} << 53) - 1)); }
  uint64_t bigint(size_t i);
  bool boolean(size_t i);
  std::string string(size_t i);
  std::optional<std::string> optionalString(size_t i);
  Bytes bytes(size_t i);
  std::optional<Bytes> optionalBytes(size_t i);
  // A copy of a Uint8Array of at most `most` bytes, for work that outlives the call.
  OwnedBytes copy(size_t i, size_t most = SIZE_MAX);
  // Empty for undefined.
  OwnedBytes optionalCopy(size_t i, size_t most);
  // Zeroed bytes; the argument is their number.
  OwnedBytes room(size_t i, int64_t least, int64_t most);
  napi_value function(size_t i);
  // A copy of an array of strings, or of a BigUint64Array.
  std::optional<std::vector<std::string>> optionalStrings(size_t i);
  std::optional<std::vector<uint64_t>> optionalU64s(size_t i);

  bool is(size_t i, napi_valuetype type) const;
  // Throws a RangeError.
  void Reject(size_t i, const char* what);

 private:
  static constexpr size_t kMost = 16;

  template <class T>
  T* HandleIn(size_t i, napi_value value) {
    void* data = nullptr;
    if (!ok_) return nullptr;
    if (napi_get_value_external(env_, value, &data) == napi_ok && data != nullptr) {
      auto* handle = static_cast<Handle*>(data);
      if (handle->kind == T::kKind) return static_cast<T*>(handle);
    }
    Mistype(i, "a handle of the right kind");
    return nullptr;
  }
  std::string StringOf(size_t i, napi_value value);
  void Mistype(size_t i, const char* wanted);
  void Refuse(const char* code);

  napi_env env_;
  size_t count_;
  napi_value values_[kMost];
  void* data_ = nullptr;
  bool ok_ = true;
};

// Converts a native value to JavaScript.
napi_value ToJs(napi_env env, bool value);
napi_value ToJs(napi_env env, uint32_t value);
napi_value ToJs(napi_env env, int32_t value);
napi_value ToJs(napi_env env, uint64_t value);     // a bigint
napi_value ToJs(napi_env env, const char* value);  // undefined for null
napi_value ToJs(napi_env env, const std::string& value);
// The text, or its end if it has 512 MiB or more.
napi_value LongText(napi_env env, std::string_view text);
napi_value Undefined(napi_env env);
// Returns a new BigUint64Array with a copy of the values.
napi_value CopyU64s(napi_env env, const std::vector<uint64_t>& values);
// Returns a new Uint8Array with a copy of the bytes.
napi_value CopyBytes(napi_env env, const void* data, size_t size);
