#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

// Bytes on the heap whose number JavaScript chooses. Without C++ exceptions a std::vector that cannot
// allocate terminates the process; here the caller asks `failed()`, and throws a RangeError.
class OwnedBytes {
 public:
  OwnedBytes() = default;

  // Pages that are never written to cost no memory.
  static OwnedBytes Zeroed(size_t size) {
    return OwnedBytes(size == 0 ? nullptr : static_cast<uint8_t*>(calloc(size, 1)), size);
  }

  static OwnedBytes CopyOf(const void* data, size_t size) {
    OwnedBytes copy(size == 0 ? nullptr : static_cast<uint8_t*>(malloc(size)), size);
    if (copy.data() != nullptr) memcpy(copy.data(), data, size);
    return copy;
  }

  bool failed() const { return size_ > 0 && bytes_ == nullptr; }
  // Null if there are none.
  uint8_t* data() const { return bytes_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(uint8_t* bytes) const { free(bytes); }
  };

  OwnedBytes(uint8_t* bytes, size_t size) : bytes_(bytes), size_(size) {}

  std::unique_ptr<uint8_t[], Free> bytes_;
  size_t size_ = 0;
};
