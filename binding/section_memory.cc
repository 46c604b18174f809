// The memory of section maps, which holds global variables, and of struct_ops maps.
#include <cstring>

#include "addon.h"
#include "map.h"
#include "util/call.h"

// For arenas and loaded struct_ops maps libbpf reports a wrong size.
uint8_t* MemoryOf(const ObjectState& object, bpf_map* map, size_t* size) {
  bool struct_ops = bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS;
  if (bpf_map__type(map) == BPF_MAP_TYPE_ARENA || (struct_ops && object.tried)) return nullptr;
  return static_cast<uint8_t*>(bpf_map__initial_value(map, size));
}

namespace {

// The part of the memory that argument 1, the offset, and the bytes of argument 2 name. Null if the map has
// no memory; then there is no exception.
uint8_t* Memory(napi_env env, Args& args, bpf_map** map, Bytes* bytes) {
  *map = Declared(env, args);
  uint64_t offset = args.u53(1);
  *bytes = args.bytes(2);
  if (!args.ok() || *map == nullptr) return nullptr;
  size_t size = 0;
  uint8_t* memory = MemoryOf(*args.handle<Map>(0)->object, *map, &size);
  if (memory == nullptr) return nullptr;
  if (offset > size || bytes->size > size - offset) {
    args.Reject(1, "is beyond the end of the map's memory");
    return nullptr;
  }
  return memory + offset;
}

napi_value Read(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = nullptr;
  Bytes target;
  uint8_t* memory = Memory(env, args, &map, &target);
  if (memory != nullptr && target.size > 0) memcpy(target.data, memory, target.size);
  return ToJs(env, memory != nullptr);
}

napi_value Write(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = nullptr;
  Bytes source;
  uint8_t* memory = Memory(env, args, &map, &source);
  if (memory == nullptr) return ToJs(env, false);
  // libbpf maps such sections read-only when it loads, so a write would end in SIGSEGV.
  if (args.handle<Map>(0)->object->tried && (bpf_map__map_flags(map) & BPF_F_RDONLY_PROG) != 0) {
    return Throw(env, "bpf_map__initial_value", -EACCES);
  }
  if (source.size > 0) memcpy(memory, source.data, source.size);
  return ToJs(env, true);
}

}  // namespace

void DefineSectionMemory(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"mapMemoryRead", Read},
             {"mapMemoryWrite", Write},
         });
}
