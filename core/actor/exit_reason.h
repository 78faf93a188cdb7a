// Why an actor ended, or is told to. Links, monitors, calls and supervisors decide by it alone.
//
//   kind       what it means                                cascades along links   restarts a transient child
//   normal     the body returned without an error           no                     no
//   shutdown   it was asked to end, and did                 yes                    no
//   error      the body returned an error                   yes                    yes
//   killed     kill() ended it                              yes                    yes
//   noproc     what it was linked to did not exist          yes                    yes
//   panic      an assertion failed or an exception escaped  yes                    yes
#pragma once

#include "core/base/error.h"

namespace aspen::actor {

enum class ExitKind : uint8_t { normal, shutdown, error, killed, noproc, panic };

struct ExitReason {
  ExitKind kind = ExitKind::normal;
  Code code = Code::OK;  // of an error
  std::string text;      // of an error or a panic; at most limits::kErrorMessageBytesMax

  static ExitReason normal() { return {}; }
  static ExitReason shutdown() { return {ExitKind::shutdown, Code::OK, {}}; }
  static ExitReason killed() { return {ExitKind::killed, Code::OK, {}}; }
  static ExitReason noproc() { return {ExitKind::noproc, Code::OK, {}}; }
  static ExitReason error(Error error);
  static ExitReason panic(std::string text);

  // It ends linked actors that do not trap exits.
  bool cascades() const { return kind != ExitKind::normal; }
  // The actor did not end as it should have.
  bool failure() const { return kind != ExitKind::normal && kind != ExitKind::shutdown; }
  std::string to_string() const;
  bool operator==(const ExitReason&) const = default;
};

}  // namespace aspen::actor
