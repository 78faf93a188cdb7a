#include "core/node/group.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::node {
namespace {

constexpr DurationNs kHandOverTimeout = 2 * kSecond;
constexpr DurationNs kPollPeriod = kMillisecond;

}  // namespace

raft::PeerId fresh_peer(rt::Env& env) {
  raft::PeerId peer;
  do peer = env.random_u64();
  while (peer == raft::kNobody);
  return peer;
}

Result<std::unique_ptr<Group>> Group::open(const Ground& ground, raft::StateMachine& machine,
                                           GroupOptions options) {
  std::unique_ptr<Group> group(new Group(ground, machine, std::move(options)));
  const GroupOptions& chosen = group->options_;
  rt::Executor& executor = ground.executor;
  ASPEN_TRY(group->log_, raft::LogStore::open(ground.logs.writer(), chosen.id, fresh_peer(executor.env())));
  raft::DriverOptions driver;
  driver.core.self = group->log_->peer();
  if (chosen.heartbeat > 0) driver.core.heartbeat = chosen.heartbeat;
  if (chosen.election > 0) driver.core.election = chosen.election;
  driver.core.lease_reads = chosen.lease_reads;
  if (chosen.clock_drift_ppm_max > 0) driver.core.clock_drift_ppm_max = chosen.clock_drift_ppm_max;
  driver.core.random = [&executor] { return executor.env().random_u64(); };
  driver.on_state = [raw = group.get(), &executor](const raft::Status& status) {
    raw->state_changed(status, executor.now());
  };
  driver.on_failure = chosen.on_failure;
  if (chosen.log_entries_max > 0) driver.log_entries_max = chosen.log_entries_max;
  ASPEN_TRY(group->driver_, raft::Driver::open(executor, ground.background, *group->log_, machine,
                                               group->transport_, std::move(driver)));
  group->transport_.attach(group->driver_.get());
  return group;
}

void Group::bootstrap() {
  driver_->bootstrap(
      {.peer = peer(), .node = options_.node, .address = options_.address, .role = raft::MemberRole::voter});
}

bool Group::is_voter() const {
  const raft::Core& core = driver_->core();
  const bool early = ASPEN_MUTANT("node-voter-before-committed");
  const raft::Member* self = (early ? core.config() : core.committed_config()).find(peer());
  return self != nullptr && self->role == raft::MemberRole::voter;
}

const raft::Member* Group::leader() const {
  return driver_->core().config().find(driver_->leader());
}

void Group::join(const NodeId& node, raft::PeerId peer, const std::string& address,
                 raft::Driver::ReadReady done) {
  std::vector<raft::Member> members = driver_->core().config().members;
  auto it = std::ranges::find(members, node, &raft::Member::node);
  if (it == members.end()) {
    members.push_back({.peer = peer, .node = node, .address = address, .role = raft::MemberRole::learner});
  } else if (it->peer == peer && it->address == address) {
    return driver_->read(raft::ReadKind::index, std::move(done));
  } else if (it->peer == peer) {
    it->address = address;
  } else {
    log(LogLevel::warn, "{} lost its data and comes back as a new learner", node.short_string());
    *it = {.peer = peer, .node = node, .address = address, .role = raft::MemberRole::learner};
  }
  driver_->change_members(std::move(members), std::move(done));
}

void Group::state_changed(const raft::Status& status, TimeNs now) {
  transport_.connect_members();
  const bool leads = status.role == raft::Role::leader;
  const bool learners =
      std::ranges::count(status.config.members, raft::MemberRole::learner, &raft::Member::role) > 0;
  needs_care_ = leads && (learners || options_.dead_voter_after > 0);
  if (!leads) (void)steward_.decide(status, now);  // which forgets what it saw
  if (options_.on_state) options_.on_state(status);
}

void Group::keep_voters(TimeNs now) {
  if (!needs_care_) return;
  auto change = steward_.decide(driver_->status(), now);
  if (!change) return;
  // A change already under way refuses this one, and the next round decides again.
  auto done = [promoted = change->promoted, demoted = change->demoted](const Result<>& result) {
    if (!result) return;
    for (const NodeId& node : promoted) {
      log(LogLevel::info, "{} has caught up and is a voter", node.short_string());
    }
    for (const NodeId& node : demoted) {
      log(LogLevel::warn, "{} was dead or lagged and is a learner", node.short_string());
    }
  };
  driver_->change_members(std::move(change->members), done, change->via);
}

rt::Task<Result<>> Group::enter(rt::Cx& cx, rt::Region& region, Join join) {
  const raft::Member* self = driver_->core().config().find(peer());
  const bool alone = self != nullptr && driver_->core().config().members.size() == 1;
  while (alone && !leads()) {
    if (const auto& failure = driver_->failure()) co_return std::unexpected(*failure);
    ASPEN_CO_CHECK(co_await cx.sleep(kPollPeriod));
  }
  self = driver_->core().config().find(peer());
  const bool moved = self != nullptr && !options_.address.empty() && self->address != options_.address;
  if (self == nullptr || (alone && moved)) co_return co_await join_and_wait(cx, std::move(join));
  // A learner may have been added by an entry that only its own log still has: nobody else would know of it.
  if (moved || self->role == raft::MemberRole::learner) {
    region.spawn("announce",
                 [this, join = std::move(join)](rt::Cx& task) { return join_and_wait(task, join); });
  }
  co_return Result<>();
}

rt::Task<Result<>> Group::join_and_wait(rt::Cx& cx, Join join) {
  ASPEN_CO_CHECK(co_await join(cx));
  co_return co_await wait_for_membership(cx);
}

rt::Task<Result<>> Group::wait_for_membership(rt::Cx& cx) {
  for (;;) {
    const raft::Core& core = driver_->core();
    if (is_voter() && core.leader() != raft::kNobody && machine_.applied() >= core.commit()) {
      co_return Result<>();
    }
    if (auto slept = co_await cx.sleep(kPollPeriod); !slept) {
      co_return fail(slept.error().code, "{}, joined but not caught up: entry {} of {} is applied",
                     slept.error().message, machine_.applied(), core.commit());
    }
  }
}

rt::Task<Result<>> Group::hand_over(rt::Cx& cx) {
  TimeNs deadline = cx.now() + kHandOverTimeout;
  if (!leads() || !driver_->transfer_leadership(raft::kNobody)) co_return Result<>();
  while (leads() && cx.now() < deadline) ASPEN_CO_CHECK(co_await cx.sleep(kMillisecond));
  co_return Result<>();
}

}  // namespace aspen::node
