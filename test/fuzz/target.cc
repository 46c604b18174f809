// The input is a program or library to attach to, in which libbpf looks up uprobes and USDT probes. Unlike an
// object file, it may belong to anyone, so look-ups must also be fast.
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "quiet.h"

// libbpf does not export these functions.
extern "C" {
struct usdt_manager;
usdt_manager* usdt_manager_new(bpf_object*);
bpf_link* usdt_manager_attach_usdt(usdt_manager*, const bpf_program*, pid_t, const char* path,
                                   const char* provider, const char* name, uint64_t cookie);
long elf_find_func_offset_from_file(const char* path, const char* name);
int elf_resolve_syms_offsets(const char* path, int count, const char** names, unsigned long** offsets,
                             int type);
int elf_resolve_pattern_offsets(const char* path, const char* pattern, unsigned long** offsets,
                                size_t* count);
}

namespace {

bpf_object* object = nullptr;
usdt_manager* manager = nullptr;

void FindProbes(const char* path) {
  if (object == nullptr) {
    object = bpf_object__open_file(getenv("LIBBPF_NODE_FUZZ_USDT"), nullptr);
    if (object == nullptr) abort();
    manager = usdt_manager_new(object);
  }
  // It fails at maps that do not exist, but has read everything by then.
  usdt_manager_attach_usdt(manager, bpf_object__next_program(object, nullptr), -1, path, "shop", "sold", 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int fd = memfd_create("target", MFD_CLOEXEC);
  if (write(fd, data, size) != static_cast<ssize_t>(size)) abort();
  std::string path = "/proc/self/fd/" + std::to_string(fd);

  elf_find_func_offset_from_file(path.c_str(), "main");
  elf_find_func_offset_from_file(path.c_str(), "sell@SHOP_2");
  unsigned long* offsets = nullptr;
  size_t count = 0;
  if (elf_resolve_pattern_offsets(path.c_str(), "*", &offsets, &count) == 0) {
    Read(offsets, count * sizeof(*offsets));
    free(offsets);
  }
  std::vector<const char*> names = {"sell", "main"};
  offsets = nullptr;
  if (elf_resolve_syms_offsets(path.c_str(), 2, names.data(), &offsets, STT_FUNC) == 0) {
    Read(offsets, 2 * sizeof(*offsets));
    free(offsets);
  }
  FindProbes(path.c_str());
  close(fd);
  return 0;
}
