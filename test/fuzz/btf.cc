// Bytes that libbpf is to read as BTF, to write as C, and to print values by.
#include <bpf/btf.h>

#include "../../binding/guard/btf_check.h"
#include "quiet.h"

namespace {

void Ignore(void*, const char*, va_list) {}

// Whether something of that type may be part of another, and how many bytes it has.
bool IsPart(const btf* types, uint32_t id, int64_t& size) {
  const btf_type* type = btf__type_by_id(types, id);
  size = btf__resolve_size(types, id);
  return size >= 0 && !btf_is_var(type) && !btf_is_datasec(type);
}

// What lib/btf sees to before it has a value written (dumpData), and libbpf does not: members lie within what they are members of...
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

// ...and there are not 2^32 of them that take no byte, each with as many again: libbpf goes through them all.
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
    // A section is part of nothing.
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
  // libbpf reads a bitfield's whole type, which may go on beyond the data: binding/btf.cc has room for that.
  const size_t value_size = sizeof(value) - 16;
  bool has_values = HasSoundValues(types);
  for (uint32_t id = 1; id < btf__type_cnt(types); id++) {
    Read(btf__name_by_offset(types, btf__type_by_id(types, id)->name_off));
    int64_t size = btf__resolve_size(types, id);
    btf__align_of(types, id);
    if (dump == nullptr) continue;
    btf_dump__dump_type(dump, id);
    // binding/btf.cc refuses those that are larger than what they are to be in.
    if (size < 0 || size > static_cast<int64_t>(value_size)) continue;
    if (has_values && HasPartsWithin(types, id))
      btf_dump__dump_type_data(dump, id, value, value_size, nullptr);
  }
  btf_dump__free(dump);
  btf__free(types);
  return 0;
}
