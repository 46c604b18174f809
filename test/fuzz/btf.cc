// Bytes that libbpf is to read as BTF, to write as C, and to print values by.
#include <bpf/btf.h>

#include "../../binding/util/btf_check.h"
#include "quiet.h"

namespace {

void Ignore(void*, const char*, va_list) {}

// libbpf goes through all elements of an array, of which there may be 2^32 without a byte, each of them such an array again. lib/btf refuses to
// have values of such types written (dumpData).
bool HasManyOfNothing(const btf* types) {
  uint64_t values = 1;
  for (uint32_t id = 1; id < btf__type_cnt(types) && values < 100000; id++) {
    const btf_type* type = btf__type_by_id(types, id);
    if (btf_is_array(type) && btf_array(type)->nelems > 0 && btf__resolve_size(types, id) == 0) {
      values *= btf_array(type)->nelems;
    }
  }
  return values >= 100000;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  btf* types = btf__new(data, static_cast<uint32_t>(size));
  if (types == nullptr || BtfCheck::Run(types) != 0) {
    btf__free(types);
    return 0;
  }
  btf_dump* dump = btf_dump__new(types, Ignore, nullptr, nullptr);
  static const uint8_t value[4096] = {};
  bool has_values = !HasManyOfNothing(types);
  for (uint32_t id = 1; id < btf__type_cnt(types); id++) {
    Read(btf__name_by_offset(types, btf__type_by_id(types, id)->name_off));
    btf__resolve_size(types, id);
    btf__align_of(types, id);
    if (dump == nullptr) continue;
    btf_dump__dump_type(dump, id);
    if (has_values) btf_dump__dump_type_data(dump, id, value, sizeof(value), nullptr);
  }
  btf_dump__free(dump);
  btf__free(types);
  return 0;
}
