// bpf_link_get_info_by_fd. The members of bpf_link_info depend on the type of the link. The kernel writes
// strings and arrays to buffers whose addresses it is given.
#include <bpf/bpf.h>

#include <climits>
#include <vector>

#include "addon.h"
#include "link.h"
#include "util/call.h"
#include "util/compat.h"
#include "util/options.h"

namespace {

struct Details {
  bpf_link_info info;
  std::vector<char> name = std::vector<char>(PATH_MAX);
  std::vector<uint64_t> addresses, ref_counters, cookies;

  int Read(int fd) {
    Zero(info);
    if (fd < 0) return -EOPNOTSUPP;
    int error = Fetch(fd);
    if (error != 0 || !MakeRoom()) return error;
    return Fetch(fd);
  }

 private:
  int Fetch(int fd) {
    uint32_t size = sizeof(info);
    return bpf_link_get_info_by_fd(fd, &info, &size);
  }

  uint64_t Name() { return reinterpret_cast<uintptr_t>(name.data()); }

  uint64_t Array(std::vector<uint64_t>& array, uint32_t count) {
    array.resize(count);
    return reinterpret_cast<uintptr_t>(array.data());
  }

  // Sets the buffers for a second call. Returns false if nothing more can be asked for.
  bool MakeRoom() {
    const bpf_link_info first = info;
    Zero(info);
    auto room = static_cast<uint32_t>(name.size());
    switch (first.type) {
      case BPF_LINK_TYPE_RAW_TRACEPOINT:
        info.raw_tracepoint.tp_name = Name();
        info.raw_tracepoint.tp_name_len = room;
        return true;
      case BPF_LINK_TYPE_ITER:
        info.iter.target_name = Name();
        info.iter.target_name_len = room;
        return true;
      case BPF_LINK_TYPE_PERF_EVENT:
        // The names of the three kinds are at the same offset. Kernels before 6.6 do not report the kind.
        if (first.perf_event.type == BPF_PERF_EVENT_UNSPEC || first.perf_event.type == BPF_PERF_EVENT_EVENT)
          break;
        info.perf_event.tracepoint.tp_name = Name();
        info.perf_event.tracepoint.name_len = room;
        return true;
      case BPF_LINK_TYPE_KPROBE_MULTI:
        if (first.kprobe_multi.count == 0) break;
        info.kprobe_multi.count = first.kprobe_multi.count;
        info.kprobe_multi.addrs = Array(addresses, first.kprobe_multi.count);
        info.kprobe_multi.cookies = Array(cookies, first.kprobe_multi.count);
        return true;
      case BPF_LINK_TYPE_UPROBE_MULTI:
        if (first.uprobe_multi.count == 0) break;
        info.uprobe_multi.path = Name();
        info.uprobe_multi.path_size = room;
        info.uprobe_multi.count = first.uprobe_multi.count;
        info.uprobe_multi.offsets = Array(addresses, first.uprobe_multi.count);
        info.uprobe_multi.ref_ctr_offsets = Array(ref_counters, first.uprobe_multi.count);
        info.uprobe_multi.cookies = Array(cookies, first.uprobe_multi.count);
        return true;
    }
    info = first;
    return false;
  }
};

// Builds a JavaScript object member by member.
class Filler {
 public:
  explicit Filler(napi_env env) : env_(env), object_(Napi::Object::New(env)) {}
  void Add(const char* key, uint32_t value) { object_[key] = value; }
  void AddSigned(const char* key, int32_t value) { object_[key] = value; }
  void Add64(const char* key, uint64_t value) { object_[key] = Napi::Value(env_, ToJs(env_, value)); }
  void Add(const char* key, const std::vector<char>& text) { object_[key] = std::string(text.data()); }
  void Add(const char* key, const std::vector<uint64_t>& values) {
    object_[key] = Napi::Value(env_, CopyU64s(env_, values));
  }
  napi_value object() const { return object_; }

 private:
  napi_env env_;
  Napi::Object object_;
};

void AddPerfEvent(const Details& details, Filler& to) {
  const auto& event = details.info.perf_event;
  to.Add("eventType", event.type);
  switch (event.type) {
    case BPF_PERF_EVENT_UPROBE:
    case BPF_PERF_EVENT_URETPROBE:
      to.Add("name", details.name);
      to.Add("offset", event.uprobe.offset);
      to.Add64("cookie", event.uprobe.cookie);
      to.Add64("refCtrOffset", RefCtrOffsetOf(event.uprobe));
      break;
    case BPF_PERF_EVENT_KPROBE:
    case BPF_PERF_EVENT_KRETPROBE:
      to.Add("name", details.name);
      to.Add("offset", event.kprobe.offset);
      to.Add64("address", event.kprobe.addr);
      to.Add64("missed", event.kprobe.missed);
      to.Add64("cookie", event.kprobe.cookie);
      break;
    case BPF_PERF_EVENT_TRACEPOINT:
      to.Add("name", details.name);
      to.Add64("cookie", event.tracepoint.cookie);
      break;
    case BPF_PERF_EVENT_EVENT:
      to.Add("perfType", event.event.type);
      to.Add64("perfConfig", event.event.config);
      to.Add64("cookie", event.event.cookie);
      break;
  }
}

void AddIterator(const Details& details, Filler& to) {
  const auto& iter = details.info.iter;
  std::string target = details.name.data();
  to.Add("name", details.name);
  // The name of the target determines which member of the union is valid.
  if (target == "bpf_map_elem" || target == "sockmap" || target == "bpf_sk_storage_map") {
    to.Add("mapId", iter.map.map_id);
  } else if (target == "cgroup") {
    to.Add64("cgroupId", iter.cgroup.cgroup_id);
    to.Add("order", iter.cgroup.order);
  } else if (target.rfind("task", 0) == 0) {
    to.Add("tid", iter.task.tid);
    to.Add("pid", iter.task.pid);
  }
}

void AddDetails(const Details& details, Filler& to) {
  const bpf_link_info& info = details.info;
  switch (info.type) {
    case BPF_LINK_TYPE_RAW_TRACEPOINT:
      to.Add("name", details.name);
      to.Add64("cookie", CookieOf(info.raw_tracepoint));
      break;
    case BPF_LINK_TYPE_TRACING:
      to.Add("attachType", info.tracing.attach_type);
      to.Add("targetObjectId", info.tracing.target_obj_id);
      to.Add("targetBtfId", info.tracing.target_btf_id);
      to.Add64("cookie", CookieOf(info.tracing));
      break;
    case BPF_LINK_TYPE_CGROUP:
      to.Add64("cgroupId", info.cgroup.cgroup_id);
      to.Add("attachType", info.cgroup.attach_type);
      break;
    case BPF_LINK_TYPE_ITER:
      AddIterator(details, to);
      break;
    case BPF_LINK_TYPE_NETNS:
      to.Add("netnsInode", info.netns.netns_ino);
      to.Add("attachType", info.netns.attach_type);
      break;
    case BPF_LINK_TYPE_XDP:
      to.Add("ifindex", info.xdp.ifindex);
      break;
    case BPF_LINK_TYPE_PERF_EVENT:
      AddPerfEvent(details, to);
      break;
    case BPF_LINK_TYPE_KPROBE_MULTI:
      to.Add("count", info.kprobe_multi.count);
      to.Add("flags", info.kprobe_multi.flags);
      to.Add64("missed", info.kprobe_multi.missed);
      to.Add("addresses", details.addresses);
      to.Add("cookies", details.cookies);
      break;
    case BPF_LINK_TYPE_UPROBE_MULTI:
      to.Add("path", details.name);
      to.Add("count", info.uprobe_multi.count);
      to.Add("flags", info.uprobe_multi.flags);
      to.Add("pid", info.uprobe_multi.pid);
      to.Add("offsets", details.addresses);
      to.Add("refCtrOffsets", details.ref_counters);
      to.Add("cookies", details.cookies);
      break;
    case BPF_LINK_TYPE_STRUCT_OPS:
      to.Add("mapId", info.struct_ops.map_id);
      break;
    case BPF_LINK_TYPE_NETFILTER:
      to.Add("protocolFamily", info.netfilter.pf);
      to.Add("hook", info.netfilter.hooknum);
      to.AddSigned("priority", info.netfilter.priority);
      to.Add("flags", info.netfilter.flags);
      break;
    case BPF_LINK_TYPE_TCX:
      to.Add("ifindex", info.tcx.ifindex);
      to.Add("attachType", info.tcx.attach_type);
      break;
    case BPF_LINK_TYPE_NETKIT:
      to.Add("ifindex", info.netkit.ifindex);
      to.Add("attachType", info.netkit.attach_type);
      break;
    case BPF_LINK_TYPE_SOCKMAP:
      to.Add("mapId", info.sockmap.map_id);
      to.Add("attachType", info.sockmap.attach_type);
      break;
  }
}

napi_value Info(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  if (!args.ok()) return nullptr;
  Details details;
  bool known = Call(env, "bpf_link_get_info_by_fd", [&] { return details.Read(link->state->Fd()); });
  if (!known) return nullptr;
  Filler to(env);
  to.Add("type", details.info.type);
  to.Add("id", details.info.id);
  to.Add("programId", details.info.prog_id);
  AddDetails(details, to);
  return to.object();
}

}  // namespace

void DefineLinkInfo(napi_env env, napi_value exports) { Define(env, exports, {{"linkInfo", Info}}); }
