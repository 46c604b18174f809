#include "map_reader.h"

#include <cerrno>
#include <mutex>
#include <set>
#include <utility>

#include "map.h"

namespace {

// Shared by all threads of the process. It is never freed, because a thread may still run at exit.
struct Readers {
  std::mutex mutex;
  std::set<std::pair<uint32_t, int>> claimed;
};

Readers& AllReaders() {
  static auto* readers = new Readers;
  return *readers;
}

}  // namespace

int MapReader::Claim(int map_fd, int cpu) {
  bpf_map_info map;
  int error = ReadMapInfo(map_fd, map);
  if (error < 0) return error;
  Readers& readers = AllReaders();
  std::lock_guard<std::mutex> lock(readers.mutex);
  if (!readers.claimed.emplace(map.id, cpu).second) return -EBUSY;
  map_id_ = map.id;
  cpu_ = cpu;
  return 0;
}

void MapReader::Release() {
  if (map_id_ == 0) return;
  Readers& readers = AllReaders();
  std::lock_guard<std::mutex> lock(readers.mutex);
  readers.claimed.erase({map_id_, cpu_});
  map_id_ = 0;
}
