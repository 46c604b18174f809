#define VALUE typedef __u64 value_t
#define COUNT(found) (found)
#include "migrate.h"
