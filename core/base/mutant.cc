#include "core/base/mutant.h"

#ifdef ASPEN_MUTANTS

#include <cstdlib>
#include <cstring>

namespace aspen {

bool mutant_active(const char* name) {
  static const char* const active = std::getenv("ASPEN_MUTANT");
  return active != nullptr && std::strcmp(active, name) == 0;
}

}  // namespace aspen

#endif
