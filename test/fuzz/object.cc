// The input is an object file. libbpf opens it, and everything that can be read before loading is read.
#include <bpf/libbpf.h>

#include <algorithm>

#include "quiet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bpf_object* object = bpf_object__open_mem(data, size, nullptr);
  if (object == nullptr) return 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    Read(bpf_program__insns(program), bpf_program__insn_cnt(program) * sizeof(bpf_insn));
    Read(bpf_program__name(program));
    Read(bpf_program__section_name(program));
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    size_t size_of_value = 0;
    const void* value = bpf_map__initial_value(map, &size_of_value);
    // A .bss may claim gigabytes, which are only allocated when they are touched.
    if (value != nullptr) Read(value, std::min<size_t>(size_of_value, 1 << 20));
    Read(bpf_map__name(map));
    if (bpf_map__inner_map(map) != nullptr) bpf_map__value_size(bpf_map__inner_map(map));
  }
  bpf_object__close(object);
  return 0;
}
