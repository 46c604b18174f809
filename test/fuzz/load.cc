// The input is an object file, which libbpf opens and prepares for the kernel: CO-RE, relocations, externs,
// struct_ops. Maps are created, but programs are not loaded. This requires root.
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "../../binding/guard/btf_check.h"
#include "quiet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bpf_object* object = bpf_object__open_mem(data, size, nullptr);
  if (object == nullptr) return 0;
  // The addon does this, too.
  if (BtfCheck::Run(bpf_object__btf(object)) == 0) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
      bpf_map__set_pin_path(map, nullptr);
      // The kernel would allocate all of it.
      if (bpf_map__max_entries(map) > 4096) bpf_map__set_max_entries(map, 4096);
    }
    bpf_object__prepare(object);
  }
  bpf_object__close(object);
  return 0;
}
