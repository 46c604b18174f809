#include "pins.h"

#include <cerrno>
#include <climits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "util/log.h"

namespace {

using Path = std::optional<std::string>;

const char* OrNull(const Path& path) { return path ? path->c_str() : nullptr; }

Path PinPathOf(bpf_map* map) {
  const char* path = bpf_map__pin_path(map);
  return path != nullptr ? Path(path) : std::nullopt;
}

// The pins that one call has made.
class Pins {
 public:
  int Add(bpf_map* map, const char* path) {
    if (bpf_map__is_pinned(map)) return bpf_map__pin(map, path);
    Path before = PinPathOf(map);
    int error = PinMap(map, path);
    if (error == 0) maps_.emplace_back(map, std::move(before));
    return error;
  }

  int Add(bpf_program* program, std::string path) {
    int error = bpf_program__pin(program, path.c_str());
    if (error == 0) programs_.emplace_back(program, std::move(path));
    return error;
  }

  // Returns the error, after the pins were removed if there is one.
  int Settle(int error) {
    if (error == 0) return 0;
    for (auto& [program, path] : programs_) bpf_program__unpin(program, path.c_str());
    for (auto& [map, before] : maps_) {
      bpf_map__unpin(map, nullptr);
      bpf_map__set_pin_path(map, OrNull(before));
    }
    return error;
  }

 private:
  std::vector<std::pair<bpf_map*, Path>> maps_;
  std::vector<std::pair<bpf_program*, std::string>> programs_;
};

int AddMaps(Pins& pins, bpf_object* object, const char* folder) {
  bpf_map* map;
  bpf_object__for_each_map(map, object) {
    if (!bpf_map__autocreate(map)) continue;
    if (folder == nullptr && bpf_map__pin_path(map) == nullptr) continue;
    Path path;
    if (folder != nullptr) {
      path = std::string(folder) + "/" + bpf_map__name(map);
      if (path->size() >= PATH_MAX) return -ENAMETOOLONG;
      // As libbpf does it: a BPF file system refuses names with dots.
      for (char& c : *path) {
        if (c == '.') c = '_';
      }
    }
    int error = pins.Add(map, OrNull(path));
    if (error != 0) return error;
  }
  return 0;
}

int AddPrograms(Pins& pins, bpf_object* object, const char* folder) {
  bpf_program* program;
  bpf_object__for_each_program(program, object) {
    std::string path = std::string(folder) + "/" + bpf_program__name(program);
    if (path.size() >= PATH_MAX) return -ENAMETOOLONG;
    int error = pins.Add(program, std::move(path));
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace

int PinMap(bpf_map* map, const char* path) {
  Path before = PinPathOf(map);
  // After unpin, libbpf still accepts no other path than the old one.
  if (path != nullptr && !bpf_map__is_pinned(map)) bpf_map__set_pin_path(map, nullptr);
  int error = bpf_map__pin(map, path);
  if (error == 0) return 0;
  // libbpf names neither the map nor the path.
  const char* pin = bpf_map__pin_path(map);
  if (pin != nullptr)
    LogCapture::Warn("map '" + std::string(bpf_map__name(map)) + "': failed to pin at '" + pin + "'");
  bpf_map__set_pin_path(map, OrNull(before));
  return error;
}

int PinMaps(bpf_object* object, const char* path) {
  Pins pins;
  return pins.Settle(AddMaps(pins, object, path));
}

int PinPrograms(bpf_object* object, const char* path) {
  Pins pins;
  return pins.Settle(AddPrograms(pins, object, path));
}

int PinObject(bpf_object* object, const char* path) {
  Pins pins;
  int error = AddMaps(pins, object, path);
  return pins.Settle(error != 0 ? error : AddPrograms(pins, object, path));
}
