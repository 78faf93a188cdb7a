#include "core/base/assert.h"

#include "core/base/log.h"

namespace aspen {

void panic(const char* expression, const char* file, int line) {
  std::string text = fmt::format("assertion failed: {} ({}:{})", expression, file, line);
  log(LogLevel::error, "{}", text);
  throw Panic(text);
}

}  // namespace aspen
