#define VERSION 2
#include "replace.h"
