#define VALUE           \
  typedef struct {      \
    __u64 bytes, count; \
  } value_t
#define COUNT(found) (&(found)->count)
#include "migrate.h"
