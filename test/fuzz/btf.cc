// The input is BTF: libbpf parses it, writes it as C, and prints values of its types.
#include <bpf/btf.h>

#include "../../binding/guard/btf_check.h"
#include "quiet.h"

namespace {

void Ignore(void*, const char*, va_list) {}

// Whether a type can be a member of another type; also returns its size.
bool IsPart(const btf* types, uint32_t id, int64_t& size) {
  const btf_type* type = btf__type_by_id(types, id);
  size = btf__resolve_size(types, id);
  return size >= 0 && !btf_is_var(type) && !btf_is_datasec(type);
}

// lib/btf checks this before it prints a value (dumpData), because libbpf does not: members are inside of
// their struct...
bool HasPartsWithin(const btf* types, uint32_t id) {
  const btf_type* type = btf__type_by_id(types, id);
  int64_t size = 0;
  if (btf_is_array(type)) return IsPart(types, btf_array(type)->type, size);
  if (btf_is_composite(type)) {
    for (uint32_t i = 0; i < btf_vlen(type); i++) {
      if (!IsPart(types, btf_members(type)[i].type, size)) return false;
      uint32_t bits = btf_member_bitfield_size(type, i);
      uint64_t end = uint64_t{btf_member_bit_offset(type, i)} + (bits > 0 ? bits : size * 8);
      if (end > uint64_t{type->size} * 8) return false;
    }
  }
  if (btf_is_datasec(type)) {
    for (uint32_t i = 0; i < btf_vlen(type); i++) {
      const btf_var_secinfo& variable = btf_var_secinfos(type)[i];
      if (uint64_t{variable.offset} + variable.size > type->size) return false;
      if (btf__resolve_size(types, variable.type) > int64_t{variable.size}) return false;
    }
  }
  return true;
}

// ...and arrays do not have 2^32 elements without a size, nested in each other: libbpf would visit all of
// them.
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

bool HasSoundValues(const btf* types) {
  for (uint32_t id = 1; id < btf__type_cnt(types); id++) {
    // A section cannot be a member.
    if (!btf_is_datasec(btf__type_by_id(types, id)) && !HasPartsWithin(types, id)) return false;
  }
  return !HasManyOfNothing(types);
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
  // libbpf reads the whole type of a bitfield, which may extend beyond the data; binding/btf.cc adds room for
  // that.
  const size_t value_size = sizeof(value) - 16;
  bool has_values = HasSoundValues(types);
  for (uint32_t id = 1; id < btf__type_cnt(types); id++) {
    Read(btf__name_by_offset(types, btf__type_by_id(types, id)->name_off));
    int64_t size = btf__resolve_size(types, id);
    btf__align_of(types, id);
    if (dump == nullptr) continue;
    btf_dump__dump_type(dump, id);
    // binding/btf.cc refuses types that are larger than the data.
    if (size < 0 || size > static_cast<int64_t>(value_size)) continue;
    if (has_values && HasPartsWithin(types, id))
      btf_dump__dump_type_data(dump, id, value, value_size, nullptr);
  }
  btf_dump__free(dump);
  btf__free(types);
  return 0;
}
