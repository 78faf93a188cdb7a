#include "core/node/replica_leases.h"

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::node {

ReplicaLeases::ReplicaLeases(rt::Executor& executor, raft::Driver& driver, kv::StateMachine& machine)
    : executor_(executor), driver_(driver), machine_(machine), keeper_(*this) {
  machine_.on_leases([this](const std::vector<kv::StateMachine::LeaseNews>& news) {
    for (const auto& [id, ttl] : news) {
      if (ttl == 0) {
        keeper_.removed(id);
      } else {
        keeper_.granted(id, ttl, now());
      }
    }
  });
}

ReplicaLeases::~ReplicaLeases() {
  machine_.on_leases(nullptr);
}

rt::Task<Result<>> ReplicaLeases::run(rt::Cx& cx) {
  for (;;) {
    ASPEN_CO_CHECK(co_await cx.sleep_until(next_multiple(cx.now(), LeaseKeeper::kTickPeriod)));
    keeper_.tick(now());
  }
}

void ReplicaLeases::keep_alive(std::vector<kv::LeaseId> ids, LeaseKeeper::Kept done) {
  keeper_.keep_alive(std::move(ids), now(), std::move(done));
}

std::optional<raft::Term> ReplicaLeases::reign() const {
  if (driver_.failure() || driver_.replacing() || !driver_.core().reigns()) return std::nullopt;
  return driver_.core().term();
}

// One scan at the beginning of a reign.
std::vector<kv::LeaseClock::Lease> ReplicaLeases::leases() const {
  std::vector<kv::LeaseClock::Lease> leases;
  auto found = machine_.leases(0, limits::kLeasesMax);
  if (!found) {
    driver_.storage_failed(found.error());
    return leases;
  }
  leases.reserve(found->size());
  for (const kv::Lease& lease : *found) {
    DurationNs ttl = lease.ttl;
    if (ASPEN_MUTANT("node-lease-counts-from-grant")) ttl -= executor_.env().wall_now() - lease.granted;
    leases.push_back({lease.id, ttl});
  }
  return leases;
}

void ReplicaLeases::expire(std::vector<kv::LeaseId> ids, Proposed done) {
  log(LogLevel::debug, "the time of {} leases has run out, lease {} first", ids.size(), ids.front());
  kv::Command command{.kind = kv::Command::Kind::leases_expire, .leases = std::move(ids)};
  driver_.propose(kv::encode(command), [done = std::move(done)](Result<Bytes> reply) mutable {
    if (!reply) return done(std::unexpected(std::move(reply).error()));
    auto expired = kv::decode_done_reply(*reply);
    done(expired ? Result<>() : std::unexpected(std::move(expired).error()));
  });
}

void ReplicaLeases::confirm(Confirmed ready) {
  driver_.read(raft::ReadKind::index, std::move(ready));
}

}  // namespace aspen::node
