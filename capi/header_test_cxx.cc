// The header as C++20.
#include <aspen.h>

static_assert(ASPEN_OK == 0 && ASPEN_INTERNAL == 24);
