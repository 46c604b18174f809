#pragma once

#include <cstring>

// Makes one of libbpf's structures of options: it says how long it is, and what is not set is 0. In place:
// libbpf looks at the padding, too, and what is returned by value need not keep that.
template <class Options>
void Clear(Options& options) {
  memset(&options, 0, sizeof(options));
  options.sz = sizeof(options);
}
