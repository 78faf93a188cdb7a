// How a task ended: Ok < Err < Cancelled < Panicked. Joins keep the worst.
//
// A task that finishes with a value although its cancel was requested is Ok: the value exists and dropping
// it could lose data. It is Cancelled when it returns an error while its cancel stands and that error is the
// one its checkpoints gave it.
#pragma once

#include <string>

#include "core/base/error.h"

namespace aspen::rt {

enum class CancelKind : uint8_t { user, deadline, fail_fast, shutdown };

// Why a cancel was requested. It travels to everything below unchanged, so that work inside an expired
// deadline says DEADLINE_EXCEEDED however deep it is.
struct CancelReason {
  CancelKind kind = CancelKind::user;
  std::string message;
  // What a checkpoint returns: CANCELLED, DEADLINE_EXCEEDED or SHUTDOWN.
  Error to_error() const;
};

enum class Severity : uint8_t { ok, err, cancelled, panicked };

template <typename T = void>
class Outcome {
 public:
  static Outcome panicked(std::string text) {
    return Outcome(Severity::panicked, fail(Code::INTERNAL, "panic: {}", text));
  }
  static Outcome cancelled(Error error) {
    return Outcome(Severity::cancelled, std::unexpected(std::move(error)));
  }
  static Outcome of(Result<T> result) {
    Severity severity = result ? Severity::ok : Severity::err;
    return Outcome(severity, std::move(result));
  }

  Severity severity() const { return severity_; }
  bool ok() const { return severity_ == Severity::ok; }
  const Result<T>& result() const& { return result_; }
  Result<T> result() && { return std::move(result_); }

 private:
  Outcome(Severity severity, Result<T> result) : severity_(severity), result_(std::move(result)) {}
  Severity severity_;
  Result<T> result_;
};

}  // namespace aspen::rt
