#include "core/rt/obligation.h"

#include <utility>

#include "core/rt/region.h"

namespace aspen::rt {

Obligation::Obligation(Region& region, const char* kind, std::source_location origin)
    : region_(&region), kind_(kind), origin_(origin) {
  ASPEN_ASSERT(region.state_ != Region::State::closed);
  region.obligations_.push_back(*this);
  ++region.obligation_count_;
}

Obligation::Obligation(Obligation&& other) noexcept
    : region_(std::exchange(other.region_, nullptr)), kind_(other.kind_), origin_(other.origin_) {
  if (region_ == nullptr) return;
  other.unlink();
  region_->obligations_.push_back(*this);
}

void Obligation::resolve() {
  if (region_ == nullptr) return;
  unlink();
  Region& region = *std::exchange(region_, nullptr);
  --region.obligation_count_;
  region.changed();
}

}  // namespace aspen::rt
