// Searches the kernel's BTF for hooks whose names resemble a wrong one, for "did you mean". It reads the
// bytes itself, in one pass: parsing them first, even with libbpf, takes longer than the call that failed.
#include <fcntl.h>
#include <linux/btf.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "addon.h"
#include "util/call.h"

namespace {

// The content of /sys/kernel/btf/vmlinux; empty if the kernel has none.
class KernelBtf {
 public:
  KernelBtf() {
    UniqueFd fd(open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC));
    struct stat facts;
    if (fd.get() < 0 || fstat(fd.get(), &facts) != 0) return;
    auto size = static_cast<size_t>(facts.st_size);
    // Linux 6.16; older kernels only let it be read.
    mapping_ = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (mapping_ != MAP_FAILED) {
      bytes_ = {static_cast<const char*>(mapping_), size};
      return;
    }
    copy_.resize(size);
    size_t used = 0;
    while (used < size) {
      ssize_t count = read(fd.get(), copy_.data() + used, size - used);
      if (count <= 0) return;
      used += static_cast<size_t>(count);
    }
    bytes_ = {copy_.data(), size};
  }
  KernelBtf(const KernelBtf&) = delete;
  ~KernelBtf() {
    if (mapping_ != MAP_FAILED) munmap(mapping_, bytes_.size());
  }
  std::string_view bytes() const { return bytes_; }

 private:
  void* mapping_ = MAP_FAILED;
  std::vector<char> copy_;
  std::string_view bytes_;
};

// What follows the first 12 bytes of a type; SIZE_MAX for a kind that this does not know.
size_t SizeOfRest(uint32_t kind, uint32_t count) {
  switch (kind) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG:
      return sizeof(uint32_t);
    case BTF_KIND_ARRAY:
      return sizeof(btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
      return count * sizeof(btf_member);
    case BTF_KIND_ENUM:
      return count * sizeof(btf_enum);
    case BTF_KIND_ENUM64:
      return count * sizeof(btf_enum64);
    case BTF_KIND_FUNC_PROTO:
      return count * sizeof(btf_param);
    case BTF_KIND_DATASEC:
      return count * sizeof(btf_var_secinfo);
    default:
      return kind <= BTF_KIND_TYPE_TAG ? 0 : SIZE_MAX;
  }
}

// Calls `visit(kind, name)` for each type until one is damaged or unknown.
template <class Visit>
void ForEachType(std::string_view bytes, Visit visit) {
  btf_header header;
  if (bytes.size() < sizeof(header)) return;
  memcpy(&header, bytes.data(), sizeof(header));
  if (header.magic != BTF_MAGIC || header.hdr_len > bytes.size()) return;
  bytes.remove_prefix(header.hdr_len);
  if (header.type_off > bytes.size() || header.type_len > bytes.size() - header.type_off) return;
  if (header.str_off > bytes.size() || header.str_len > bytes.size() - header.str_off) return;
  std::string_view types = bytes.substr(header.type_off, header.type_len);
  std::string_view strings = bytes.substr(header.str_off, header.str_len);
  if (strings.empty() || strings.back() != '\0') return;
  while (types.size() >= sizeof(btf_type)) {
    btf_type type;
    memcpy(&type, types.data(), sizeof(type));
    types.remove_prefix(sizeof(type));
    size_t rest = SizeOfRest(BTF_INFO_KIND(type.info), BTF_INFO_VLEN(type.info));
    if (rest > types.size() || type.name_off >= strings.size()) return;
    visit(BTF_INFO_KIND(type.info), strings.data() + type.name_off);
    types.remove_prefix(rest);
  }
}

// Compares the letters of names, regardless of their order. This is quick and rules out most names: a name
// that differs in more than `limit` letters needs more than `limit` edits.
class Letters {
 public:
  Letters(std::string_view wanted, size_t limit) : size_(wanted.size()), limit_(limit) {
    for (unsigned char letter : wanted) counts_[letter]++;
  }

  bool Resembles(std::string_view name) {
    if (name.size() > size_ + limit_ || name.size() + limit_ < size_) return false;
    size_t common = 0;
    for (unsigned char letter : name) {
      if (counts_[letter]-- > 0) common++;
    }
    for (unsigned char letter : name) counts_[letter]++;
    return std::max(name.size(), size_) - common <= limit_;
  }

 private:
  const size_t size_;
  const size_t limit_;
  std::array<int, 256> counts_{};
};

bool RemovePrefix(std::string_view& name, std::string_view prefix) {
  if (name.substr(0, prefix.size()) != prefix) return false;
  name.remove_prefix(prefix.size());
  return true;
}

napi_value KernelHooksLike(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string wanted = args.string(0);
  size_t limit = args.u32(1);
  bool only_tracepoints = args.boolean(2);
  if (!args.ok()) return nullptr;
  Letters letters(wanted, limit);
  // The compiler's variants of a function, such as name.isra.0.
  std::string variants = wanted + ".";
  napi_value names;
  napi_create_array(env, &names);
  uint32_t count = 0;
  KernelBtf kernel;
  ForEachType(kernel.bytes(), [&](uint32_t kind, const char* text) {
    if (kind != BTF_KIND_TYPEDEF && (kind != BTF_KIND_FUNC || only_tracepoints)) return;
    std::string_view name(text);
    if (kind == BTF_KIND_TYPEDEF) {
      if (!RemovePrefix(name, "btf_trace_")) return;
    } else {
      RemovePrefix(name, "bpf_lsm_");
    }
    std::string_view rest = name;
    if (letters.Resembles(name) || RemovePrefix(rest, variants)) {
      napi_set_element(env, names, count++, ToJs(env, std::string(name)));
    }
  });
  return names;
}

}  // namespace

void DefineHookNames(napi_env env, napi_value exports) {
  Define(env, exports, {{"kernelHooksLike", KernelHooksLike}});
}
