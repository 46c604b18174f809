#include "btf_dump.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "guard/btf_check.h"
#include "util/options.h"

namespace {

using Types = std::unique_ptr<btf, void (*)(btf*)>;
using Dump = std::unique_ptr<btf_dump, void (*)(btf_dump*)>;

// A member of a struct or union whose type has no size.
struct Unsized {
  uint32_t id;
  uint32_t member;
  // The bytes up to the next member.
  uint32_t size;
};

// Where the members of a struct start, in bytes and in ascending order.
std::vector<uint32_t> StartsOf(const btf_type* type) {
  std::vector<uint32_t> starts;
  for (uint32_t i = 0; i < btf_vlen(type); i++) starts.push_back(btf_member_bit_offset(type, i) / 8);
  std::sort(starts.begin(), starts.end());
  return starts;
}

std::vector<Unsized> FindUnsized(const btf* types) {
  std::vector<Unsized> found;
  for (uint32_t id = 1; id < btf__type_cnt(types); id++) {
    const btf_type* type = btf__type_by_id(types, id);
    if (!btf_is_composite(type)) continue;
    std::vector<uint32_t> starts;
    for (uint32_t i = 0; i < btf_vlen(type); i++) {
      if (BtfCheck::HasSize(types, btf_members(type)[i].type)) continue;
      if (starts.empty() && btf_is_struct(type)) starts = StartsOf(type);
      uint32_t start = btf_member_bit_offset(type, i) / 8;
      auto next = std::upper_bound(starts.begin(), starts.end(), start);
      uint32_t end = next != starts.end() ? std::min(*next, type->size) : type->size;
      found.push_back({id, i, end > start ? end - start : 0});
    }
  }
  return found;
}

// A copy of the types in which these members are arrays of char. clang writes type 0 for what BTF cannot
// express, such as `_Atomic int`; libbpf would declare such a member as `void`, or divide by its alignment of
// 0.
Types WithArrays(const btf* types, const std::vector<Unsized>& members) {
  uint32_t size = 0;
  const void* bytes = btf__raw_data(types, &size);
  auto* base = const_cast<btf*>(btf__base_btf(types));
  Types copy(bytes != nullptr ? btf__new_split(bytes, size, base) : nullptr, btf__free);
  if (!copy) return copy;
  int character = btf__add_int(copy.get(), "char", 1, BTF_INT_CHAR);
  std::vector<int> arrays;
  for (const Unsized& member : members)
    arrays.push_back(btf__add_array(copy.get(), character, character, member.size));
  for (size_t i = 0; i < members.size(); i++) {
    // Types of the base cannot be changed, because others use them, too.
    if (arrays[i] < 0 || (base != nullptr && members[i].id < btf__type_cnt(base)))
      return Types(nullptr, btf__free);
    auto* type = const_cast<btf_type*>(btf__type_by_id(copy.get(), members[i].id));
    btf_members(type)[members[i].member].type = static_cast<uint32_t>(arrays[i]);
  }
  return copy;
}

bool HasTag(const btf* types, const btf_type* tag, const char* name) {
  return btf_is_decl_tag(tag) && btf_decl_tag(tag)->component_idx == -1 &&
         strcmp(btf__name_by_offset(types, tag->name_off), name) == 0;
}

constexpr const char* kKfuncsHead = R"(
/* BPF kfuncs */
#ifndef BPF_NO_KFUNC_PROTOTYPES
#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

#ifndef __bpf_fastcall
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#else
#define __bpf_fastcall
#endif
#endif

)";

constexpr const char* kKfuncsTail = "#endif /* BPF_NO_KFUNC_PROTOTYPES */\n";

// As `bpftool btf dump file vmlinux format c` does. Appends nothing if there are no kfuncs.
int AppendKfuncs(const btf* types, btf_dump* dump, std::string& text) {
  std::vector<uint32_t> kfuncs;
  std::vector<uint32_t> fast;
  for (uint32_t id = 1; id < btf__type_cnt(types); id++) {
    const btf_type* tag = btf__type_by_id(types, id);
    if (HasTag(types, tag, "bpf_kfunc") && btf_is_func(btf__type_by_id(types, tag->type)))
      kfuncs.push_back(tag->type);
    if (HasTag(types, tag, "bpf_fastcall")) fast.push_back(tag->type);
  }
  if (kfuncs.empty()) return 0;
  text += kKfuncsHead;
  for (uint32_t id : kfuncs) {
    const btf_type* func = btf__type_by_id(types, id);
    if (std::find(fast.begin(), fast.end(), id) != fast.end()) text += "__bpf_fastcall ";
    text += "extern ";
    btf_dump_emit_type_decl_opts options;
    InitOptions(options);
    options.field_name = btf__name_by_offset(types, func->name_off);
    int error = btf_dump__emit_type_decl(dump, func->type, &options);
    if (error != 0) return error;
    text += " __weak __ksym;\n";
  }
  text += kKfuncsTail;
  return 0;
}

}  // namespace

int AppendDeclarations(const btf* types, const std::vector<uint32_t>& ids, bool kfuncs, std::string& text) {
  std::vector<Unsized> members = FindUnsized(types);
  Types copy(nullptr, btf__free);
  if (!members.empty()) {
    copy = WithArrays(types, members);
    if (!copy) return -EINVAL;
    types = copy.get();
  }
  Dump dump(btf_dump__new(types, AppendFormatted, &text, nullptr), btf_dump__free);
  if (!dump) return -errno;
  for (uint32_t id : ids) {
    int error = btf_dump__dump_type(dump.get(), id);
    if (error != 0) return error;
  }
  return kfuncs ? AppendKfuncs(types, dump.get(), text) : 0;
}

void AppendFormatted(void* text, const char* format, va_list arguments) {
  char* piece = nullptr;
  int length = vasprintf(&piece, format, arguments);
  if (length < 0) return;
  static_cast<std::string*>(text)->append(piece, static_cast<size_t>(length));
  free(piece);
}
