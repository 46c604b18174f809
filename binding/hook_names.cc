// Searches the kernel's BTF for hooks whose names resemble a wrong one, for "did you mean". Doing this in
// JavaScript takes ten times as long as the failed call itself.
#include <bpf/btf.h>

#include <array>
#include <cstring>
#include <memory>

#include "addon.h"
#include "util/call.h"

namespace {

// Compares the letters of names, regardless of their order. This is quick and rules out most names: a name
// that differs in more than `limit` letters needs more than `limit` edits.
class Letters {
 public:
  Letters(const std::string& wanted, size_t limit) : size_(wanted.size()), limit_(limit) {
    for (unsigned char letter : wanted) counts_[letter]++;
  }

  bool Resembles(const char* name) {
    size_t size = strlen(name);
    if (size > size_ + limit_ || size + limit_ < size_) return false;
    size_t common = 0;
    for (const char* at = name; *at != '\0'; at++) {
      if (counts_[static_cast<unsigned char>(*at)]-- > 0) common++;
    }
    for (const char* at = name; *at != '\0'; at++) counts_[static_cast<unsigned char>(*at)]++;
    return std::max(size, size_) - common <= limit_;
  }

 private:
  const size_t size_;
  const size_t limit_;
  std::array<int, 256> counts_{};
};

const char* WithoutPrefix(const char* name, const char* prefix) {
  size_t size = strlen(prefix);
  return strncmp(name, prefix, size) == 0 ? name + size : nullptr;
}

// The name of the hook that a type stands for; null if it stands for none.
const char* HookOf(const btf* types, const btf_type* type, bool only_tracepoints) {
  const char* name = btf__name_by_offset(types, type->name_off);
  if (name == nullptr) return nullptr;
  if (btf_is_typedef(type)) return WithoutPrefix(name, "btf_trace_");
  if (only_tracepoints || !btf_is_func(type)) return nullptr;
  const char* lsm = WithoutPrefix(name, "bpf_lsm_");
  return lsm != nullptr ? lsm : name;
}

napi_value KernelHooksLike(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string wanted = args.string(0);
  size_t limit = args.u32(1);
  bool only_tracepoints = args.boolean(2);
  if (!args.ok()) return nullptr;
  std::unique_ptr<btf, void (*)(btf*)> types(nullptr, btf__free);
  bool loaded = Call(env, "btf__load_vmlinux_btf", [&] {
    types.reset(btf__load_vmlinux_btf());
    return ErrorOf(types.get());
  });
  if (!loaded) return nullptr;
  Letters letters(wanted, limit);
  // The compiler's variants of a function, such as name.isra.0.
  std::string variants = wanted + ".";
  napi_value names;
  napi_create_array(env, &names);
  uint32_t count = 0;
  for (uint32_t id = 1; id < btf__type_cnt(types.get()); id++) {
    const char* name = HookOf(types.get(), btf__type_by_id(types.get(), id), only_tracepoints);
    if (name == nullptr) continue;
    if (letters.Resembles(name) || WithoutPrefix(name, variants.c_str()) != nullptr) {
      napi_set_element(env, names, count++, ToJs(env, name));
    }
  }
  return names;
}

}  // namespace

void DefineHookNames(napi_env env, napi_value exports) {
  Define(env, exports, {{"kernelHooksLike", KernelHooksLike}});
}
