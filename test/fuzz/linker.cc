// The input is an object file, which libbpf links with itself.
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../binding/guard/elf_check.h"
#include "quiet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (ElfCheck::Run(data, size) != 0) return 0;
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  bpf_linker* linker = bpf_linker__new_fd(fd, nullptr);
  if (linker != nullptr) {
    // The argument is not const, but it is only read.
    void* bytes = const_cast<uint8_t*>(data);
    if (bpf_linker__add_buf(linker, bytes, size, nullptr) == 0) bpf_linker__finalize(linker);
    bpf_linker__free(linker);
  }
  close(fd);
  return 0;
}
