// Makes sure that a map has at most one reader in all threads of this process: two readers would take records
// from each other.
#pragma once

#include <cstdint>

class MapReader {
 public:
  MapReader() = default;
  MapReader(const MapReader&) = delete;
  MapReader& operator=(const MapReader&) = delete;
  ~MapReader() { Release(); }

  // Claims a map, or one CPU of it. Returns -EBUSY if it has a reader already, or another negative errno if
  // the kernel does not say which map it is.
  int Claim(int map_fd, int cpu = -1);
  void Release();

 private:
  uint32_t map_id_ = 0;
  int cpu_ = -1;
};
