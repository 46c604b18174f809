// Asks the kernel for all its interfaces, qdiscs and the like. JavaScript reads the answer.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "addon.h"
#include "util/call.h"
#include "util/options.h"

namespace {

// Reads messages until the last one. Returns a negative errno.
int Receive(int fd, std::vector<uint8_t>& messages) {
  // The kernel fills at most 32 KiB at a time.
  std::vector<uint8_t> buffer(1 << 16);
  for (;;) {
    ssize_t length = recv(fd, buffer.data(), buffer.size(), 0);
    if (length < 0) return -errno;
    if (length == 0) return -EPIPE;
    auto left = static_cast<uint32_t>(length);
    auto* message = reinterpret_cast<nlmsghdr*>(buffer.data());
    for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE) return 0;
      if (message->nlmsg_type == NLMSG_ERROR) return static_cast<nlmsgerr*>(NLMSG_DATA(message))->error;
      const auto* from = reinterpret_cast<const uint8_t*>(message);
      messages.insert(messages.end(), from, from + message->nlmsg_len);
      messages.resize(NLMSG_ALIGN(messages.size()));
    }
  }
}

napi_value Dump(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<uint16_t>(args.integer(0, RTM_BASE, UINT16_MAX));
  Bytes body = args.bytes(1);
  // Of each four types, the third one asks. The others would change something, and would not be answered.
  if (args.ok() && type % 4 != RTM_GETLINK % 4) args.Reject(0, "is not a request");
  if (!args.ok()) return nullptr;
  std::vector<uint8_t> messages;
  bool known = Call(env, "netlink", [&] {
    UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!fd.IsOpen()) return -errno;
    // The kernel answers at once. Whatever happens, the event loop must not wait for it forever.
    timeval patience = {10, 0};
    if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) return -errno;
    nlmsghdr header;
    Zero(header);
    header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(body.size));
    header.nlmsg_type = type;
    header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    std::vector<uint8_t> request(NLMSG_SPACE(body.size));
    memcpy(request.data(), &header, sizeof(header));
    if (body.size > 0) memcpy(request.data() + NLMSG_HDRLEN, body.data, body.size);
    if (send(fd.get(), request.data(), request.size(), 0) < 0) return -errno;
    return Receive(fd.get(), messages);
  });
  return known ? CopyBytes(env, messages.data(), messages.size()) : nullptr;
}

}  // namespace

void DefineNetlink(napi_env env, napi_value exports) { Define(env, exports, {{"netlinkDump", Dump}}); }
