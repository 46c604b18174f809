#pragma once

#include <cstring>

// One of libbpf's structures of options: it says how long it is, and what is not set is 0.
template <class Options>
Options Empty() {
  Options options;
  memset(&options, 0, sizeof(options));
  options.sz = sizeof(options);
  return options;
}
