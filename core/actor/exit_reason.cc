#include "core/actor/exit_reason.h"

#include "core/base/limits.h"

namespace aspen::actor {
namespace {

// Reasons travel: a supervisor's names its child's, and the one above names that.
std::string cut(std::string text) {
  if (text.size() > limits::kErrorMessageBytesMax) text.resize(limits::kErrorMessageBytesMax);
  return text;
}

}  // namespace

ExitReason ExitReason::error(Error error) {
  return {ExitKind::error, error.code, cut(std::move(error.message))};
}

ExitReason ExitReason::panic(std::string text) {
  return {ExitKind::panic, Code::INTERNAL, cut(std::move(text))};
}

std::string ExitReason::to_string() const {
  switch (kind) {
    case ExitKind::normal:
      return "normal";
    case ExitKind::shutdown:
      return "shutdown";
    case ExitKind::error:
      return fmt::format("error {}", Error(code, text).to_string());
    case ExitKind::killed:
      return "killed";
    case ExitKind::noproc:
      return "noproc";
    case ExitKind::panic:
      return text.starts_with("panic") ? text : "panic: " + text;
  }
  return "?";
}

}  // namespace aspen::actor
