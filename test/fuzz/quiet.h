// Code that all fuzzers share.
#pragma once

#include <bpf/libbpf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

// Include this in the only file of each fuzzer; libFuzzer calls it.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  return 0;
}

// Reads every byte, so that the sanitizer checks them.
inline void Read(const void* data, size_t size) {
  volatile uint8_t last = 0;
  for (size_t i = 0; i < size; i++) last = static_cast<const uint8_t*>(data)[i];
  static_cast<void>(last);
}
inline void Read(const char* text) {
  if (text != nullptr) Read(text, strlen(text));
}
