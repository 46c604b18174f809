// What the kernel reports about any program, and statistics.
#include <bpf/bpf.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "addon.h"
#include "program.h"
#include "util/call.h"
#include "util/compat.h"
#include "util/descriptor.h"
#include "util/options.h"

namespace {

uint64_t Address(const void* memory) { return reinterpret_cast<uintptr_t>(memory); }

// The arrays of bpf_prog_info. The kernel is asked twice: for their sizes, and to fill them.
struct Dump {
  bpf_prog_info info;
  std::vector<uint8_t> xlated, jited, functions, lines;
  std::vector<uint64_t> addresses, jited_lines;
  std::vector<uint32_t> lengths;

  int Read(int fd) {
    Zero(info);
    int error = Fetch(fd);
    if (error != 0) return error;
    const bpf_prog_info first = info;
    Zero(info);
    info.func_info_rec_size = first.func_info_rec_size;
    info.line_info_rec_size = first.line_info_rec_size;
    info.jited_line_info_rec_size = sizeof(uint64_t);
    info.xlated_prog_len = first.xlated_prog_len;
    info.jited_prog_len = first.jited_prog_len;
    info.nr_jited_ksyms = first.nr_jited_ksyms;
    info.nr_jited_func_lens = first.nr_jited_func_lens;
    info.nr_func_info = first.nr_func_info;
    info.nr_line_info = first.nr_line_info;
    info.nr_jited_line_info = first.nr_jited_line_info;
    Set(&info.xlated_prog_insns, xlated, info.xlated_prog_len);
    Set(&info.jited_prog_insns, jited, info.jited_prog_len);
    Set(&info.jited_ksyms, addresses, info.nr_jited_ksyms);
    Set(&info.jited_func_lens, lengths, info.nr_jited_func_lens);
    Set(&info.func_info, functions, info.nr_func_info * info.func_info_rec_size);
    Set(&info.line_info, lines, info.nr_line_info * info.line_info_rec_size);
    Set(&info.jited_line_info, jited_lines, info.nr_jited_line_info);
    error = Fetch(fd);
    if (error != 0) return error;
    // The second answer has the lengths that were written. Arrays that the kernel hides have a null address.
    Shrink(xlated, info.xlated_prog_insns == 0 ? 0 : info.xlated_prog_len);
    Shrink(jited, info.jited_prog_insns == 0 ? 0 : info.jited_prog_len);
    Shrink(addresses, info.jited_ksyms == 0 ? 0 : info.nr_jited_ksyms);
    Shrink(lengths, info.jited_func_lens == 0 ? 0 : info.nr_jited_func_lens);
    Shrink(functions, info.func_info == 0 ? 0 : info.nr_func_info * info.func_info_rec_size);
    Shrink(lines, info.line_info == 0 ? 0 : info.nr_line_info * info.line_info_rec_size);
    Shrink(jited_lines, info.jited_line_info == 0 ? 0 : info.nr_jited_line_info);
    return 0;
  }

 private:
  int Fetch(int fd) {
    uint32_t size = sizeof(info);
    return bpf_prog_get_info_by_fd(fd, &info, &size);
  }
  template <class Field, class T>
  void Set(Field* address, std::vector<T>& array, uint32_t count) {
    array.resize(count);
    *address = count == 0 ? 0 : Address(array.data());
  }
  template <class T>
  static void Shrink(std::vector<T>& array, uint32_t count) {
    if (count < array.size()) array.resize(count);
  }
};

napi_value DumpOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.i32(0);
  if (!args.ok()) return nullptr;
  if (!IsBpf("prog", fd)) return Throw(env, "bpf_prog_get_info_by_fd", -EINVAL);
  Dump dump;
  if (!Call(env, "bpf_prog_get_info_by_fd", [&] { return dump.Read(fd); })) return nullptr;
  auto bytes = [env](const auto& array) {
    return Napi::Value(env, CopyBytes(env, array.data(), array.size() * sizeof(array[0])));
  };
  auto result = Napi::Object::New(env);
  result["xlated"] = bytes(dump.xlated);
  result["jited"] = bytes(dump.jited);
  result["jitedAddresses"] = Napi::Value(env, CopyU64s(env, dump.addresses));
  result["jitedLengths"] = bytes(dump.lengths);
  result["functionInfo"] = bytes(dump.functions);
  result["functionInfoSize"] = dump.info.func_info_rec_size;
  result["lineInfo"] = bytes(dump.lines);
  result["lineInfoSize"] = dump.info.line_info_rec_size;
  result["jitedLines"] = Napi::Value(env, CopyU64s(env, dump.jited_lines));
  return result;
}

napi_value FdById(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t id = args.u32(0);
  int fd = -1;
  if (!args.ok()) return nullptr;
  bool opened = Call(env, "bpf_prog_get_fd_by_id", [&] { return fd = bpf_prog_get_fd_by_id(id); });
  return opened ? HandOut(env, UniqueFd(fd)) : nullptr;
}

napi_value FdInfo(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.i32(0);
  if (!args.ok()) return nullptr;
  if (!IsBpf("prog", fd)) return Throw(env, "bpf_prog_get_info_by_fd", -EINVAL);
  return ProgramInfoOf(env, fd);
}

napi_value StreamRead(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.i32(0);
  uint32_t stream = args.u32(1);
  OwnedBytes room = args.room(2, 1, 1 << 20);
  int length = 0;
  if (!args.ok()) return nullptr;
  bool done = Call(env, "bpf_prog_stream_read", [&] {
    return length =
               bpf_prog_stream_read(fd, stream, room.data(), static_cast<uint32_t>(room.size()), nullptr);
  });
  return done ? CopyBytes(env, room.data(), static_cast<size_t>(length)) : nullptr;
}

napi_value EnableStats(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<bpf_stats_type>(args.u32(0));
  int fd = -1;
  if (!args.ok()) return nullptr;
  bool enabled = Call(env, "bpf_enable_stats", [&] { return fd = bpf_enable_stats(type); });
  return enabled ? HandOut(env, UniqueFd(fd)) : nullptr;
}

}  // namespace

napi_value ProgramInfoOf(napi_env env, int fd) {
  bpf_prog_info found;
  Zero(found);
  std::vector<uint32_t> map_ids;
  // The kernel is asked twice: for the number of maps, and for their ids.
  bool known = Call(env, "bpf_prog_get_info_by_fd", [&] {
    uint32_t size = sizeof(found);
    int error = bpf_prog_get_info_by_fd(fd, &found, &size);
    if (error != 0) return error;
    map_ids.resize(found.nr_map_ids);
    Zero(found);
    found.nr_map_ids = static_cast<uint32_t>(map_ids.size());
    found.map_ids = Address(map_ids.data());
    size = sizeof(found);
    return bpf_prog_get_info_by_fd(fd, &found, &size);
  });
  if (!known) return nullptr;

  char tag[2 * sizeof(found.tag) + 1];
  for (size_t i = 0; i < sizeof(found.tag); i++) snprintf(tag + 2 * i, 3, "%02x", found.tag[i]);
  auto ids = Napi::Array::New(env);
  for (uint32_t i = 0; i < map_ids.size(); i++) ids.Set(i, map_ids[i]);
  auto result = Napi::Object::New(env);
  result["type"] = found.type;
  result["id"] = found.id;
  result["name"] = std::string(found.name, strnlen(found.name, sizeof(found.name)));
  result["tag"] = std::string(tag);
  result["jitedSize"] = found.jited_prog_len;
  result["xlatedSize"] = found.xlated_prog_len;
  result["loadTime"] = Napi::Value(env, ToJs(env, uint64_t{found.load_time}));
  result["createdByUid"] = found.created_by_uid;
  result["mapIds"] = ids;
  result["ifindex"] = found.ifindex;
  result["gplCompatible"] = Napi::Boolean::New(env, found.gpl_compatible);
  result["btfId"] = found.btf_id;
  result["runTimeNs"] = Napi::Value(env, ToJs(env, uint64_t{found.run_time_ns}));
  result["runCount"] = Napi::Value(env, ToJs(env, uint64_t{found.run_cnt}));
  result["recursionMisses"] = Napi::Value(env, ToJs(env, uint64_t{found.recursion_misses}));
  result["verifiedInstructions"] = found.verified_insns;
  return result;
}

void DefineProgramInfo(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"programFdById", FdById},
             {"programFdInfo", FdInfo},
             {"programDump", DumpOf},
             {"programStreamRead", StreamRead},
             {"enableStats", EnableStats},
         });
}
