// Lists the BPF classifiers of traffic control, for which libbpf has no function.
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

#include "addon.h"
#include "util/call.h"
#include "util/options.h"

namespace {

struct Filter {
  uint32_t priority;
  uint32_t handle;
  // 0 for a filter of another kind.
  uint32_t program_id;
};

// The attribute with this type among those in `length` bytes; null if there is none.
const rtattr* Find(const void* start, size_t length, uint16_t type) {
  int left = static_cast<int>(length);
  for (auto* attribute = static_cast<const rtattr*>(start); RTA_OK(attribute, left);
       attribute = RTA_NEXT(attribute, left))
    if ((attribute->rta_type & NLA_TYPE_MASK) == type) return attribute;
  return nullptr;
}

uint32_t ProgramOf(const nlmsghdr* message, size_t payload) {
  auto* tc = static_cast<const tcmsg*>(NLMSG_DATA(message));
  const rtattr* options = Find(TCA_RTA(tc), payload - NLMSG_ALIGN(sizeof(tcmsg)), TCA_OPTIONS);
  if (options == nullptr) return 0;
  const rtattr* id = Find(RTA_DATA(options), RTA_PAYLOAD(options), TCA_BPF_ID);
  uint32_t value = 0;
  if (id != nullptr && RTA_PAYLOAD(id) >= sizeof(value)) memcpy(&value, RTA_DATA(id), sizeof(value));
  return value;
}

// Returns a negative errno on failure.
int Dump(int ifindex, uint32_t parent, std::vector<Filter>& filters) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.IsOpen()) return -errno;
  struct {
    nlmsghdr header;
    tcmsg tc;
  } request;
  Zero(request);
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_GETTFILTER;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.tc.tcm_family = AF_UNSPEC;
  request.tc.tcm_ifindex = ifindex;
  request.tc.tcm_parent = parent;
  if (send(fd.get(), &request, sizeof(request), 0) < 0) return -errno;
  // The kernel sends at most this much at a time.
  std::vector<char> buffer(1 << 15);
  while (true) {
    ssize_t received = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return -errno;
    auto left = static_cast<uint32_t>(received);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE) return 0;
      size_t payload = NLMSG_PAYLOAD(message, 0);
      if (message->nlmsg_type == NLMSG_ERROR) {
        if (payload < sizeof(nlmsgerr)) return -EBADMSG;
        return static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
      }
      if (message->nlmsg_type != RTM_NEWTFILTER || payload < sizeof(tcmsg)) continue;
      auto* tc = static_cast<const tcmsg*>(NLMSG_DATA(message));
      // Each priority also has a head without a handle.
      if (tc->tcm_handle == 0) continue;
      filters.push_back({TC_H_MAJ(tc->tcm_info) >> 16, tc->tcm_handle, ProgramOf(message, payload)});
    }
    if (received == 0) return 0;
  }
}

napi_value List(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int ifindex = args.i32(0);
  uint32_t parent = args.u32(1);
  if (!args.ok()) return nullptr;
  std::vector<Filter> filters;
  if (!Call(env, "RTM_GETTFILTER", [&] { return Dump(ifindex, parent, filters); })) return nullptr;
  auto result = Napi::Array::New(env, filters.size());
  for (uint32_t i = 0; i < filters.size(); i++) {
    auto filter = Napi::Object::New(env);
    filter["priority"] = filters[i].priority;
    filter["handle"] = filters[i].handle;
    filter["programId"] = filters[i].program_id;
    result[i] = filter;
  }
  return result;
}

}  // namespace

void DefineTcFilters(napi_env env, napi_value exports) { Define(env, exports, {{"tcFilters", List}}); }
