// xdp OBJECT MILLISECONDS RATE: receives packets through an AF_XDP socket. It must be started in a network
// namespace of its own. The packets come from bench/c/xdp-send.c.
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bench.h"

#define FRAMES 4096
#define FRAME_SIZE 2048
#define RING 2048
#define BATCH 256

struct ring {
  uint32_t *producer, *consumer;
  void* entries;
  uint32_t mine;
};

static int fd;
static uint8_t* memory;
static struct ring rx, tx, fill, completion;

static uint32_t load_acquire(uint32_t* value) { return __atomic_load_n(value, __ATOMIC_ACQUIRE); }
static void store_release(uint32_t* to, uint32_t value) { __atomic_store_n(to, value, __ATOMIC_RELEASE); }

static struct ring map_ring(int option, const struct xdp_ring_offset* at, size_t entry, uint64_t offset) {
  int size = RING;
  CHECK(setsockopt(fd, SOL_XDP, option, &size, sizeof(size)));
  uint8_t* mapped = mmap(NULL, at->desc + RING * entry, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
                         (off_t)offset);
  if (mapped == MAP_FAILED) CHECK(-1);
  return (struct ring){(uint32_t*)(mapped + at->producer), (uint32_t*)(mapped + at->consumer),
                       mapped + at->desc, 0};
}

static void give(uint64_t address) { ((uint64_t*)fill.entries)[fill.mine++ & (RING - 1)] = address; }

static void open_socket(const char* interface) {
  memory = mmap(NULL, FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fd = CHECK(socket(AF_XDP, SOCK_RAW, 0));
  struct xdp_umem_reg umem = {
      .addr = (uintptr_t)memory, .len = FRAMES * FRAME_SIZE, .chunk_size = FRAME_SIZE};
  CHECK(setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)));
  struct xdp_mmap_offsets offsets;
  socklen_t size = sizeof(offsets);
  CHECK(getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size));
  rx = map_ring(XDP_RX_RING, &offsets.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
  tx = map_ring(XDP_TX_RING, &offsets.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
  fill = map_ring(XDP_UMEM_FILL_RING, &offsets.fr, 8, XDP_UMEM_PGOFF_FILL_RING);
  completion = map_ring(XDP_UMEM_COMPLETION_RING, &offsets.cr, 8, XDP_UMEM_PGOFF_COMPLETION_RING);
  struct sockaddr_xdp address = {
      .sxdp_family = AF_XDP, .sxdp_ifindex = if_nametoindex(interface), .sxdp_flags = XDP_USE_NEED_WAKEUP};
  CHECK(bind(fd, (struct sockaddr*)&address, sizeof(address)));
  for (int i = 0; i < RING; i++) give((uint64_t)i * FRAME_SIZE);
  store_release(fill.producer, fill.mine);
}

// Makes the kernel send all of the tx ring, and gives the sent frames back.
static void send_all(void) {
  store_release(tx.producer, tx.mine);
  while (load_acquire(tx.consumer) != tx.mine)
    if (sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN && errno != EBUSY) CHECK(-1);
  uint32_t sent = load_acquire(completion.producer);
  while (completion.mine != sent)
    give(((uint64_t*)completion.entries)[completion.mine++ & (RING - 1)] & ~(uint64_t)(FRAME_SIZE - 1));
  store_release(completion.consumer, completion.mine);
}

static uint64_t sum;

static uint32_t receive(int echo) {
  uint32_t count = load_acquire(rx.producer) - rx.mine;
  if (count > BATCH) count = BATCH;
  for (uint32_t i = 0; i < count; i++) {
    struct xdp_desc* packet = &((struct xdp_desc*)rx.entries)[(rx.mine + i) & (RING - 1)];
    uint8_t* bytes = memory + packet->addr;
    if (bytes[12] == 8 && bytes[13] == 0) sum += packet->len + bytes[33];
    if (echo) {
      uint8_t address[6];
      memcpy(address, bytes, 6);
      memcpy(bytes, bytes + 6, 6);
      memcpy(bytes + 6, address, 6);
      ((struct xdp_desc*)tx.entries)[tx.mine++ & (RING - 1)] = *packet;
    } else {
      give(packet->addr & ~(uint64_t)(FRAME_SIZE - 1));
    }
  }
  rx.mine += count;
  store_release(rx.consumer, rx.mine);
  if (echo && count > 0) send_all();
  store_release(fill.producer, fill.mine);
  return count;
}

// Receives while a child sends. Returns packets per second of the CPU that both of them use, which is the
// rate if nothing else runs; `cpu` becomes the CPU time of receiving a packet in nanoseconds.
static double phase(char* self, int echo, int interval, char* rate, char* milliseconds, uint64_t skipped,
                    double* cpu) {
  pid_t sender = CHECK(fork());
  if (sender == 0) {
    char path[4096];
    snprintf(path, sizeof(path), "%.*sxdp-send", (int)(strrchr(self, '/') + 1 - self), self);
    CHECK(dup2(CHECK(open("/dev/null", O_WRONLY)), 1));
    execl(path, path, "from", rate, milliseconds, NULL);
    CHECK(-1);
  }
  uint64_t last = 0, packets = 0, counted = 0;
  double first = 0, used = 0;
  int measured = 1;
  while (packets == 0 || now() - last < 100000000) {
    if (interval) {
      usleep(1000);
    } else {
      struct pollfd wanted = {fd, POLLIN, 0};
      poll(&wanted, 1, 100);
    }
    uint64_t before = packets;
    if (before <= skipped) {
      first = cpu_seconds();
      counted = before;
    }
    for (uint32_t count; (count = receive(echo)) > 0;) packets += count;
    // Asking for the CPU time at every wake-up would cost more than JavaScript, which asks at the end, pays.
    if (packets > before) {
      last = now();
      measured = 0;
    } else if (!measured) {
      used = cpu_seconds() - first;
      measured = 1;
    }
  }
  struct rusage of_sender;
  CHECK(wait4(sender, NULL, 0, &of_sender));
  *cpu = used * 1e9 / (packets - counted);
  return packets / (used + of_sender.ru_utime.tv_sec + of_sender.ru_stime.tv_sec +
                    (of_sender.ru_utime.tv_usec + of_sender.ru_stime.tv_usec) / 1e6);
}

int main(int argc, char** argv) {
  if (system("ip link add from address 02:00:00:00:00:01 type veth peer name to address 02:00:00:00:00:02 && "
             "ip link set from up && ip link set to up") != 0)
    return 1;
  struct bpf_object* object = load(argv[1]);
  open_socket("to");
  uint32_t queue = 0;
  CHECK(bpf_map_update_elem(map_fd(object, "sockets"), &queue, &fd, BPF_ANY));
  CHECK(bpf_xdp_attach(if_nametoindex("to"), program_fd(object, "redirect"), XDP_FLAGS_DRV_MODE, NULL));
  double most, cpu, echo, interval;
  most = phase(argv[0], 0, 0, "0", argv[2], 0, &cpu);
  echo = phase(argv[0], 1, 0, "0", argv[2], 0, &cpu);
  phase(argv[0], 0, 0, argv[3], argv[2], 0, &cpu);
  phase(argv[0], 0, 1, argv[3], argv[4], atoll(argv[5]), &interval);
  printf("{\"drop\":%.0f,\"echo\":%.0f,\"cpu\":%.1f,\"interval\":%.1f}\n", most, echo, cpu, interval);
  return sum == 0;
}
