#include "program.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "addon.h"
#include "link.h"
#include "map.h"
#include "util/call.h"
#include "util/compat.h"

namespace {

template <auto Read>
napi_value Get(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  auto value = Read(program->get());
  if constexpr (std::is_enum_v<decltype(value)> || std::is_same_v<decltype(value), size_t>) {
    return ToJs(env, static_cast<uint32_t>(value));
  } else {
    return ToJs(env, value);
  }
}

// The setters of libbpf; `data` is the name of the function.
template <class T, int (*Write)(bpf_program*, T)>
napi_value Set(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  T value;
  if constexpr (std::is_same_v<T, bool>) {
    value = args.boolean(1);
  } else {
    value = static_cast<T>(args.u32(1));
  }
  if (!args.ok()) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Write(program->get(), value); });
  return Undefined(env);
}

napi_value Pointer(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  return args.ok() ? ToJs(env, uint64_t{reinterpret_cast<uintptr_t>(program->get())}) : nullptr;
}

// libbpf only fails here if the object is loaded, but its EINVAL could mean anything.
int SetAutoload(bpf_program* program, bool on) {
  return bpf_program__set_autoload(program, on) == -EINVAL ? -EBUSY : 0;
}

bool IsObjectLoaded(bpf_program* program) {
  return SetAutoload(program, bpf_program__autoload(program)) == -EBUSY;
}

int SetAutoattach(bpf_program* program, bool on) {
  bpf_program__set_autoattach(program, on);
  return 0;
}

int SetIfindex(bpf_program* program, uint32_t ifindex) {
  // libbpf would store it without any effect.
  if (bpf_program__fd(program) >= 0) return -EBUSY;
  bpf_program__set_ifindex(program, ifindex);
  return 0;
}

napi_value SetAttachTarget(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int fd = args.i32(1);
  std::string name = args.string(2);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_program__set_attach_target", [&] {
    if (IsObjectLoaded(program->get())) return -EBUSY;
    if (fd <= 0) return bpf_program__set_attach_target(program->get(), fd, name.c_str());
    // libbpf only stores the number, and uses it at load.
    UniqueFd copy = UniqueFd::Duplicate(fd);
    if (!copy.IsOpen()) return copy.get();
    int held = copy.get();
    program->object->held.push_back(std::move(copy));
    return bpf_program__set_attach_target(program->get(), held, name.c_str());
  });
  return Undefined(env);
}

napi_value Insns(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  return CopyBytes(env, bpf_program__insns(program->get()),
                   bpf_program__insn_cnt(program->get()) * sizeof(bpf_insn));
}

// The first slot of an instruction. The second one of a 64-bit constant has no opcode.
bool IsStart(const bpf_insn& insn) { return insn.code != 0; }

// The records of C lines at their new places. Of two lines at one instruction, the later one is its own.
std::vector<bpf_line_info> MovedLines(const bpf_program* program, const std::vector<bpf_insn>& insns,
                                      const std::vector<uint32_t>& moves) {
  const bpf_line_info* records = bpf_program__line_info(program);
  size_t count = records == nullptr ? 0 : bpf_program__line_info_cnt(program);
  std::vector<bpf_line_info> lines;
  for (size_t i = 0; i < count; i++) {
    bpf_line_info line = records[i];
    if (line.insn_off >= moves.size() || moves[line.insn_off] >= insns.size()) continue;
    line.insn_off = moves[line.insn_off];
    if (line.insn_off > 0 && !IsStart(insns[line.insn_off])) line.insn_off--;
    while (!lines.empty() && lines.back().insn_off >= line.insn_off) lines.pop_back();
    lines.push_back(line);
  }
  return lines;
}

// Nothing can lower the number of a program's records, and the kernel requires that each is at an instruction
// of its own. So records of lines that are gone become repetitions of the line before them.
void WriteLines(bpf_program* program, const std::vector<bpf_insn>& insns,
                const std::vector<bpf_line_info>& lines) {
  bpf_line_info* records = bpf_program__line_info(program);
  size_t count = bpf_program__line_info_cnt(program);
  size_t surplus = count - lines.size();
  size_t next = 0;
  for (size_t slot = 0, i = 0; slot < insns.size() && i < count; slot++) {
    if (next < lines.size() && lines[next].insn_off == slot) {
      records[i++] = lines[next++];
    } else if (surplus > 0 && i > 0 && IsStart(insns[slot])) {
      records[i] = records[i - 1];
      records[i++].insn_off = static_cast<uint32_t>(slot);
      surplus--;
    }
  }
}

// `moves` has the new place of each slot that there was.
int WriteInsns(bpf_program* program, std::vector<bpf_insn>& insns, const std::vector<uint32_t>& moves) {
  std::vector<bpf_line_info> lines = MovedLines(program, insns, moves);
  size_t wanted = lines.empty() ? 0 : bpf_program__line_info_cnt(program);
  auto starts = static_cast<size_t>(std::count_if(insns.begin(), insns.end(), IsStart));
  // Where almost every instruction has a line, not enough instructions may be left. A jump to the next
  // instruction does nothing, and the verifier removes it.
  size_t padding = wanted > starts ? wanted - starts : 0;
  insns.insert(insns.begin(), padding, bpf_insn{BPF_JMP | BPF_JA, 0, 0, 0, 0});
  int error = bpf_program__set_insns(program, insns.data(), insns.size());
  if (error != 0) return error;
  auto shift = static_cast<uint32_t>(padding);
  for (bpf_line_info& line : lines) {
    if (line.insn_off > 0) line.insn_off += shift;
  }
  if (!lines.empty()) WriteLines(program, insns, lines);
  bpf_func_info* functions = bpf_program__func_info(program);
  size_t function_count = functions == nullptr ? 0 : bpf_program__func_info_cnt(program);
  for (size_t i = 0; i < function_count; i++) {
    uint32_t from = functions[i].insn_off;
    if (from < moves.size() && moves[from] > 0) functions[i].insn_off = moves[from] + shift;
  }
  return 0;
}

napi_value SetInsns(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  Bytes bytes = args.bytes(1);
  Bytes moves = args.bytes(2);
  if (bytes.size == 0 || bytes.size % sizeof(bpf_insn) != 0)
    args.Reject(1, "is not a number of instructions");
  if (args.ok() && moves.size != bpf_program__insn_cnt(program->get()) * sizeof(uint32_t))
    args.Reject(2, "does not have a place for each slot");
  if (!args.ok()) return nullptr;
  std::vector<bpf_insn> insns(bytes.size / sizeof(bpf_insn));
  memcpy(insns.data(), bytes.data, bytes.size);
  std::vector<uint32_t> places(moves.size / sizeof(uint32_t));
  memcpy(places.data(), moves.data, moves.size);
  Call(env, "bpf_program__set_insns", [&] { return WriteInsns(program->get(), insns, places); });
  return Undefined(env);
}

napi_value Unload(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  // It is being attached on another thread, by its descriptor.
  if (program->object->users > 0) {
    napi_throw_error(env, "ERR_BPF_BUSY", "ERR_BPF_BUSY");
    return nullptr;
  }
  bpf_program__unload(program->get());
  return Undefined(env);
}

napi_value VerifierLog(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  const ObjectState& object = *program->object;
  auto buffer = object.log_buffers.find(program->get());
  if (buffer != object.log_buffers.end())
    return LongText(env, reinterpret_cast<const char*>(buffer->second.data()));
  auto log = object.logs.find(bpf_program__name(program->get()));
  return LongText(env, log != object.logs.end() ? log->second : std::string_view());
}

template <int (*Work)(bpf_program*, const char*)>
napi_value WithPath(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  std::string path = args.string(1);
  if (!args.ok()) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Work(program->get(), path.c_str()); });
  return Undefined(env);
}

napi_value BindMap(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  auto* map = args.handle<Map>(1);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_prog_bind_map",
       [&] { return bpf_prog_bind_map(bpf_program__fd(program->get()), map->fd(), nullptr); });
  return Undefined(env);
}

napi_value AssocStructOps(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  auto* map = args.handle<Map>(1);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_program__assoc_struct_ops", [&] {
    if (map->get() == nullptr) return -EINVAL;
    return bpf_program__assoc_struct_ops(program->get(), map->get(), nullptr);
  });
  return Undefined(env);
}

napi_value Info(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  return args.ok() ? ProgramInfoOf(env, bpf_program__fd(program->get())) : nullptr;
}

napi_value Attach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  LinkState link;
  link.usdt = strncmp(bpf_program__section_name(program->get()), "usdt", 4) == 0;
  bool only_loads = false;
  bool attached = Call(env, "bpf_program__attach", [&](const LogCapture& capture) {
    std::lock_guard lock(program->object->attaching);
    link.link = bpf_program__attach(program->get());
    int error = ErrorOf(link.link);
    // libbpf returns this without any message if the section names no target. If the kernel refuses, there is
    // a message.
    only_loads = error == -EOPNOTSUPP && capture.Silent();
    return only_loads ? 0 : error;
  });
  if (!attached) return nullptr;
  if (only_loads) return Undefined(env);
  link.object = program->object;
  return WrapLink(env, std::move(link));
}

}  // namespace

void DefineProgram(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"programName", Get<bpf_program__name>},
             {"programSectionName", Get<bpf_program__section_name>},
             {"programType", Get<bpf_program__type>},
             {"programSetType", Set<bpf_prog_type, bpf_program__set_type>, "bpf_program__set_type"},
             {"programExpectedAttachType", Get<bpf_program__expected_attach_type>},
             {"programSetExpectedAttachType", Set<bpf_attach_type, bpf_program__set_expected_attach_type>,
              "bpf_program__set_expected_attach_type"},
             {"programFlags", Get<bpf_program__flags>},
             {"programSetFlags", Set<uint32_t, bpf_program__set_flags>, "bpf_program__set_flags"},
             {"programAutoload", Get<bpf_program__autoload>},
             {"programSetAutoload", Set<bool, SetAutoload>, "bpf_program__set_autoload"},
             {"programAutoattach", Get<bpf_program__autoattach>},
             {"programSetAutoattach", Set<bool, SetAutoattach>, "bpf_program__set_autoattach"},
             {"programLogLevel", Get<bpf_program__log_level>},
             {"programSetLogLevel", Set<uint32_t, bpf_program__set_log_level>, "bpf_program__set_log_level"},
             {"programSetIfindex", Set<uint32_t, SetIfindex>, "bpf_program__set_ifindex"},
             {"programSetAttachTarget", SetAttachTarget},
             {"programPointer", Pointer},
             {"programInsnCount", Get<bpf_program__insn_cnt>},
             {"programInsns", Insns},
             {"programSetInsns", SetInsns},
             {"programVerifierLog", VerifierLog},
             {"programFd", Get<bpf_program__fd>},
             {"programUnload", Unload},
             {"programPin", WithPath<bpf_program__pin>, "bpf_program__pin"},
             {"programUnpin", WithPath<bpf_program__unpin>, "bpf_program__unpin"},
             {"programBindMap", BindMap},
             {"programAssocStructOps", AssocStructOps},
             {"programInfo", Info},
             {"programAttach", Attach},
         });
}
