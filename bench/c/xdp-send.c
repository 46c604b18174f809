// xdp-send INTERFACE RATE MILLISECONDS: sends frames of 64 bytes, RATE per second or as many as possible with
// 0. Prints the seconds of CPU time that it took.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "bench.h"

#define BATCH 64

int main(int argc, char** argv) {
  uint64_t rate = strtoull(argv[2], NULL, 0), nanoseconds = strtoull(argv[3], NULL, 0) * 1000000;
  int fd = CHECK(socket(AF_PACKET, SOCK_RAW, 0)), one = 1;
  CHECK(setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)));
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1])};
  CHECK(bind(fd, (struct sockaddr*)&address, sizeof(address)));
  // To 02:00:00:00:00:02 from 02:00:00:00:00:01: IPv4, UDP, to 10.0.0.3.
  uint8_t frame[64] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 50};
  frame[22] = 64;
  frame[23] = 17;
  memcpy(frame + 26, "\x0a\0\0\1\x0a\0\0\3", 8);
  struct iovec part = {frame, sizeof(frame)};
  struct mmsghdr messages[BATCH] = {};
  for (int i = 0; i < BATCH; i++) {
    messages[i].msg_hdr.msg_iov = &part;
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t start = now(), sent = 0;
  while (now() - start < nanoseconds) {
    int count = sendmmsg(fd, messages, BATCH, 0);
    if (count > 0) sent += count;
    if (rate == 0) continue;
    int64_t early = start + sent * 1000000000 / rate - now();
    if (early > 50000) usleep(early / 1000);
  }
  printf("%.4f\n", cpu_seconds());
  return 0;
}
