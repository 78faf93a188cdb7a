#include "core/node/group.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::node {
namespace {

constexpr DurationNs kHandOverTimeout = 2 * kSecond;
constexpr DurationNs kPollPeriod = kMillisecond;
constexpr DurationNs kLonelyAfter = 1 * kSecond;  // without a leader, a member asks whether it still is one

bool lists(const raft::Config& config, const NodeId& node) {
  return std::ranges::find(config.members, node, &raft::Member::node) != config.members.end();
}

Result<> removed() {
  return fail(
      Code::NOT_A_MEMBER,
      "this node was removed from the members; to have it again, empty its data directory and let it join "
      "with a ticket");
}

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

void Group::join(const NodeId& node, const JoinRequest& request, raft::Driver::ReadReady done) {
  const raft::PeerId peer = request.peer;
  std::vector<raft::Member> members = driver_->core().config().members;
  auto it = std::ranges::find(members, node, &raft::Member::node);
  if (request.again && it == members.end() && !ASPEN_MUTANT("node-removed-comes-back")) {
    // This may be a leader of the past, and a removal that is not committed may never be.
    return driver_->read(raft::ReadKind::index, [this, node, done = std::move(done)](Result<> leads) mutable {
      if (leads && !lists(driver_->core().config(), node) &&
          !lists(driver_->core().committed_config(), node)) {
        leads = removed();
      }
      done(std::move(leads));
    });
  }
  if (it == members.end()) {
    members.push_back(
        {.peer = peer, .node = node, .address = request.address, .role = raft::MemberRole::learner});
  } else if (it->peer == peer && it->address == request.address) {
    return driver_->read(raft::ReadKind::index, std::move(done));
  } else if (it->peer == peer) {
    it->address = request.address;
  } else {
    log(LogLevel::warn, "{} lost its data and comes back as a new learner", node.short_string());
    *it = {.peer = peer, .node = node, .address = request.address, .role = raft::MemberRole::learner};
  }
  driver_->change_members(std::move(members), std::move(done));
}

void Group::remove(const NodeId& node, std::move_only_function<void(Result<MemberRemoved>)> done) {
  const raft::Status status = driver_->status();
  if (status.role != raft::Role::leader) return done(fail(Code::NOT_LEADER, "another member leads"));
  Result<std::optional<std::vector<raft::Member>>> members = raft::without(status, node);
  if (!members) return done(std::unexpected(members.error()));
  if (!*members && lists(driver_->core().committed_config(), node)) {
    return done(fail(Code::UNAVAILABLE, "{} is being removed", node.to_string()));
  }
  if (!*members) {
    return driver_->read(raft::ReadKind::index, [done = std::move(done)](Result<> leads) mutable {
      if (!leads) return done(std::unexpected(leads.error()));
      done(MemberRemoved{.was_member = false});
    });
  }
  if (node == options_.node) {
    return transfer(
        {.group = id(), .to = {}, .from = node}, [done = std::move(done)](Result<NewLeader> leader) mutable {
          done(leader ? fail(Code::NOT_LEADER, "it has handed over") : std::unexpected(leader.error()));
        });
  }
  driver_->change_members(**std::move(members), [node, done = std::move(done)](Result<> changed) mutable {
    if (!changed) return done(std::unexpected(changed.error()));
    log(LogLevel::warn, "{} was removed from the members", node.short_string());
    done(MemberRemoved{.was_member = true});
  });
}

void Group::transfer(const TransferRequest& request, std::move_only_function<void(Result<NewLeader>)> done) {
  const bool anybody = request.to == NodeId();
  const bool so_already = anybody ? request.from != options_.node : request.to == options_.node;
  if (leads() && so_already) {
    return driver_->read(raft::ReadKind::index,
                         [self = options_.node, done = std::move(done)](Result<> leads) mutable {
                           if (!leads) return done(std::unexpected(leads.error()));
                           done(NewLeader{self});
                         });
  }
  raft::PeerId to = raft::kNobody;
  if (leads() && !anybody) {
    const std::vector<raft::Member>& members = driver_->core().config().members;
    auto it = std::ranges::find(members, request.to, &raft::Member::node);
    if (it == members.end() || it->role != raft::MemberRole::voter) {
      return done(fail(Code::NOT_FOUND, "{} is no voter of the group", request.to.to_string()));
    }
    to = it->peer;
  }
  if (transfer_) return done(fail(Code::UNAVAILABLE, "leadership is being handed over already"));
  if (auto begun = driver_->transfer_leadership(to); !begun) return done(std::unexpected(begun.error()));
  transfer_ = {request.to, executor_.now() + kHandOverTimeout, std::move(done)};
}

void Group::finish_transfer() {
  if (!transfer_) return;
  const raft::Member* leader = this->leader();
  const bool over = executor_.now() >= transfer_->until || driver_->failure();
  if (!over && (leads() || leader == nullptr)) return;
  const NodeId to = transfer_->to;
  auto done = std::move(transfer_->done);
  transfer_.reset();
  if (!leads() && leader != nullptr) {
    // The next leader is to be asked if it is not the right one.
    if (to != NodeId() && leader->node != to) return done(fail(Code::NOT_LEADER, "a third member leads now"));
    return done(NewLeader{leader->node});
  }
  done(std::unexpected(Error(Code::UNAVAILABLE, Applied::MAYBE, "nobody has taken over in time")));
}

void Group::state_changed(const raft::Status& status, TimeNs now) {
  transport_.connect_members();
  const bool leads = status.role == raft::Role::leader;
  const bool learners =
      std::ranges::count(status.config.members, raft::MemberRole::learner, &raft::Member::role) > 0;
  needs_care_ = leads && (learners || options_.dead_voter_after > 0);
  if (!leads) (void)steward_.decide(status, now);  // which forgets what it saw
  finish_transfer();
  if (options_.on_state) options_.on_state(status);
}

// Only a member that was listed can tell from its log that it is no more: one that is catching up has not
// come to the entry that adds it.
void Group::notice_removal() {
  const raft::Core& core = driver_->core();
  if (core.committed_config().find(peer()) != nullptr) {
    listed_ = admitted_ = true;
  } else if (listed_ && core.config().find(peer()) == nullptr) {
    driver_->removed(removed().error());
  }
}

Error Group::stopped_here(Error error) const {
  const bool others = std::ranges::any_of(
      driver_->core().config().members, [this](const raft::Member& member) { return member.peer != peer(); });
  if (!driver_->failure() || !others) return error;
  return Error(Code::UNAVAILABLE, error.applied, "this member has stopped: " + error.message);
}

void Group::close(std::move_only_function<void()> done) {
  if (transfer_) {
    auto unanswered = std::move(transfer_->done);
    transfer_.reset();
    unanswered(fail(Code::SHUTDOWN, "the group is closing here"));
  }
  driver_->close(std::move(done));
}

void Group::keep(TimeNs now) {
  finish_transfer();
  if (driver_->failure()) return;
  notice_removal();
  if (driver_->leader() != raft::kNobody) {
    led_at_ = now;
  } else if (admitted_ && now - led_at_ >= kLonelyAfter) {
    led_at_ = now;
    announce();
  }
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

rt::Task<Result<>> Group::enter(rt::Cx& cx, rt::Region& region, Join join, bool admitted) {
  region_ = &region;
  join_ = std::move(join);
  admitted_ = admitted;
  led_at_ = cx.now();
  const raft::Member* self = driver_->core().config().find(peer());
  const bool alone = self != nullptr && driver_->core().config().members.size() == 1;
  while (alone && !leads()) {
    if (const auto& failure = driver_->failure()) co_return std::unexpected(*failure);
    ASPEN_CO_CHECK(co_await cx.sleep(kPollPeriod));
  }
  self = driver_->core().config().find(peer());
  const bool moved = self != nullptr && !options_.address.empty() && self->address != options_.address;
  if (self == nullptr || (alone && moved)) {
    ASPEN_CO_CHECK(co_await join_(cx, admitted_));
    co_return co_await wait_for_membership(cx);
  }
  // A learner may have been added by an entry that only its own log still has: nobody else would know of it.
  if (moved || self->role == raft::MemberRole::learner || (admitted_ && !alone)) announce();
  co_return Result<>();
}

void Group::announce() {
  if (announcing_ || region_ == nullptr) return;
  announcing_ = true;
  region_->spawn("announce", [this](rt::Cx& cx) { return ask_again(cx); });
}

rt::Task<Result<>> Group::ask_again(rt::Cx& cx) {
  Result<> answered = co_await join_(cx, admitted_);
  announcing_ = false;
  if (!answered && answered.error().code == Code::NOT_A_MEMBER) driver_->removed(answered.error());
  co_return answered;
}

rt::Task<Result<>> Group::wait_for_membership(rt::Cx& cx) {
  for (;;) {
    if (const auto& failure = driver_->failure()) co_return std::unexpected(*failure);
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
