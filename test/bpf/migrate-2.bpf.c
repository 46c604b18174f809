#define VALUE           \
  typedef struct {      \
    __u64 count, bytes; \
  } value_t
#define COUNT(found) (&(found)->count)
#include "migrate.h"
