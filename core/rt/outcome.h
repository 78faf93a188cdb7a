// How a task ended: Ok < Err < Cancelled < Panicked.
//
// The rule, for every join and every combinator:
//  - a value is Ok, also when a cancel was requested meanwhile: it exists, and dropping it could lose data;
//  - an error is Cancelled when a cancel was requested and the error has a code that it gave to checkpoints,
//    and Err otherwise: what went wrong while draining is not hidden by the cancel;
//  - a Panic or another exception is Panicked; it ends the task and nothing else, and surfaces at its join;
//  - of several outcomes the worst counts, the first of equally bad ones (worse()).
#pragma once

#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "core/rt/cancel.h"

namespace aspen::rt {

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
  // Ok or Err.
  static Outcome of(Result<T> result) {
    Severity severity = result ? Severity::ok : Severity::err;
    return Outcome(severity, std::move(result));
  }

  Severity severity() const { return severity_; }
  bool ok() const { return severity_ == Severity::ok; }
  const Result<T>& result() const& { return result_; }
  Result<T> result() && { return std::move(result_); }
  // Requires: not ok().
  const Error& error() const { return result_.error(); }

 private:
  Outcome(Severity severity, Result<T> result) : severity_(severity), result_(std::move(result)) {}
  Severity severity_;
  Result<T> result_;
};

constexpr Severity worse(Severity a, Severity b) {
  return std::max(a, b);
}

template <typename T>
Outcome<T> worse(Outcome<T> a, Outcome<T> b) {
  return b.severity() > a.severity() ? std::move(b) : std::move(a);
}

}  // namespace aspen::rt
