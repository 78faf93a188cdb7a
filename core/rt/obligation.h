// A promise to do something before a region closes: a permit, an ack, an operation in flight. A close that
// waits for one can say where it came from.
//
// Resolving one only notes it: a region that can close now does so from the run queue. So an obligation may
// end in the middle of anything.
//
// Thread safety: none; one executor's thread.
#pragma once

#include <source_location>

#include "core/rt/list.h"

namespace aspen::rt {

class Region;
struct ObligationTag;

class Obligation : public ListNode<ObligationTag> {
 public:
  // `kind` is a literal. Requires: the region is not closed.
  Obligation(Region& region, const char* kind, std::source_location origin = std::source_location::current());
  // `other` is resolved: its promise is this one's now.
  Obligation(Obligation&& other) noexcept;
  ~Obligation() { resolve(); }

  void resolve();
  const char* kind() const { return kind_; }
  const std::source_location& origin() const { return origin_; }

 private:
  Region* region_;  // null once resolved
  const char* kind_;
  std::source_location origin_;
};

}  // namespace aspen::rt
