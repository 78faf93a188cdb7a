#include "core/node/lease_keeper.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::node {
namespace {

Error not_leading() {
  return Error(Code::NOT_LEADER, Applied::NO, "this member does not lead any more");
}

}  // namespace

// Also notices a leadership that was lost and won again in between: the leases are full then.
void LeaseKeeper::follow_role(TimeNs now) {
  const std::optional<raft::Term> reign = host_.reign();
  if (clock_.leading() && reign != term_ && !(reign && ASPEN_MUTANT("node-lease-terms-mixed"))) {
    clock_.follow();
    expiring_ = false;
    answer_waiting();
  }
  if (!reign || clock_.leading()) return;
  clock_.replace(host_.leases(), now);
  clock_.lead(now);
  term_ = *reign;
  ++reign_;
  committed_ = host_.commit();
}

void LeaseKeeper::tick(TimeNs now) {
  follow_role(now);
  if (!clock_.leading()) return;
  const bool committing = host_.commit() > committed_ || host_.commit() == host_.last_index();
  committed_ = host_.commit();
  clock_.tick(now, committing);
  if (!expiring_) expire();
}

// A follower hears of all leases when it begins to lead.
void LeaseKeeper::granted(kv::LeaseId id, DurationNs ttl, TimeNs now) {
  if (clock_.leading()) clock_.added(id, ttl, now);
}

void LeaseKeeper::expire() {
  std::vector<kv::LeaseId> ids = clock_.take_due(limits::kLeasesExpireMax);
  if (ids.empty()) return;
  std::ranges::sort(ids);
  expiring_ = true;
  host_.expire(ids, [this, alive = std::weak_ptr<bool>(alive_), ids, reign = reign_](Result<> result) {
    if (!alive.expired()) expired(reign, ids, result);
  });
}

void LeaseKeeper::expired(uint64_t reign, const std::vector<kv::LeaseId>& ids, const Result<>& result) {
  if (reign != reign_ || !clock_.leading()) return;
  // It may be applied yet: then this member leads no more, and whoever does has full leases.
  if (!result && result.error().applied == Applied::MAYBE) return;
  expiring_ = false;
  // Those that are gone are unknown to the clock by now.
  for (kv::LeaseId id : ids) clock_.not_expired(id);
  answer_waiting();
}

void LeaseKeeper::keep_alive(std::vector<kv::LeaseId> ids, TimeNs now, Kept done) {
  follow_role(now);
  if (!clock_.leading()) return done(std::unexpected(not_leading()));
  Waiting waiting{std::move(ids), clock_.arrival(now), std::move(done)};
  if (ASPEN_MUTANT("node-lease-kept-unconfirmed")) return confirmed(std::move(waiting));
  host_.confirm([this, alive = std::weak_ptr<bool>(alive_), reign = reign_,
                 waiting = std::move(waiting)](Result<> ready) mutable {
    if (alive.expired()) return waiting.done(fail(Code::SHUTDOWN, "the node is closing"));
    if (!ready) return waiting.done(std::unexpected(std::move(ready).error()));
    const bool same = reign == reign_ && clock_.leading() && host_.reign() == term_;
    if (!same) return waiting.done(std::unexpected(not_leading()));
    confirmed(std::move(waiting));
  });
}

void LeaseKeeper::confirmed(Waiting waiting) {
  using KeepAlive = kv::LeaseClock::KeepAlive;
  std::vector<DurationNs> ttls;
  for (kv::LeaseId id : waiting.ids) {
    KeepAlive kept = clock_.keep_alive(id, waiting.arrived);
    if (kept == KeepAlive::expiring) return waiting_.push_back(std::move(waiting));
    ttls.push_back(kept == KeepAlive::done ? clock_.ttl(id) : 0);
  }
  waiting.done(std::move(ttls));
}

void LeaseKeeper::answer_waiting() {
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    if (clock_.leading()) {
      confirmed(std::move(waiting));
    } else {
      waiting.done(std::unexpected(not_leading()));
    }
  }
}

Result<DurationNs> LeaseKeeper::remaining(kv::LeaseId id, TimeNs now) {
  follow_role(now);
  if (!clock_.leading()) return std::unexpected(not_leading());
  std::optional<DurationNs> left = clock_.remaining(id, now);
  if (!left) return fail(Code::NOT_FOUND, "there is no lease {}", id);
  return *left;
}

}  // namespace aspen::node
