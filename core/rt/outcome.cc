#include "core/rt/outcome.h"

namespace aspen::rt {

Error CancelReason::to_error() const {
  switch (kind) {
    case CancelKind::deadline:
      return Error(Code::DEADLINE_EXCEEDED, message);
    case CancelKind::shutdown:
      return Error(Code::SHUTDOWN, message);
    default:
      return Error(Code::CANCELLED, message);
  }
}

}  // namespace aspen::rt
