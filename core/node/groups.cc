#include "core/node/groups.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/node/protocol.h"
#include "core/node/router.h"
#include "core/rt/oneshot.h"

namespace aspen::node {
namespace {

// Three times the store's: of many groups most are idle, and what they cost then is their heartbeats.
constexpr DurationNs kHeartbeat = 150 * kMillisecond;
constexpr DurationNs kElection = 900 * kMillisecond;
constexpr DurationNs kAskAgainMin = 5 * kMillisecond;
constexpr DurationNs kAskAgainMax = 200 * kMillisecond;
constexpr DurationNs kHandOverTimeout = 2 * kSecond;
constexpr DurationNs kKeepPeriod = 2 * kHousekeepingPeriod;
constexpr int kConnectRounds = 16;  // of housekeeping

template <typename T>
using Answer = std::shared_ptr<rt::Oneshot<Result<T>>>;

// What a driver answers, for a task that may be gone by then.
template <typename T>
Answer<T> awaited() {
  return std::make_shared<rt::Oneshot<Result<T>>>();
}

// By its log, of which it may not know yet what is committed: who is to be a voter was added before, for
// good.
bool is_voter_in(const Group& group) {
  const raft::Member* self = group.driver().core().config().find(group.peer());
  return self != nullptr && self->role == raft::MemberRole::voter;
}

}  // namespace

Groups::Groups(Platform& platform, GroupLinks& links, LogHost& logs, Router& router, GroupOptions defaults)
    : platform_(platform),
      links_(links),
      logs_(logs),
      router_(router),
      ending_(platform.executor()),
      defaults_(std::move(defaults)),
      background_(platform.open_lane(LaneUse::background)) {
  if (defaults_.heartbeat == 0) defaults_.heartbeat = kHeartbeat;
  if (defaults_.election == 0) defaults_.election = kElection;
}

Groups::~Groups() {
  ASPEN_ASSERT(parts_.empty());
}

Group* Groups::find(raft::GroupId id) {
  auto it = parts_.find(id);
  return it == parts_.end() || it->second->closing ? nullptr : it->second->group.get();
}

Result<Group*> Groups::need(raft::GroupId id) {
  if (Group* group = find(id)) return group;
  return std::unexpected(Error(Code::NOT_FOUND, Applied::NO,
                               fmt::format("this node has no part in group {}; open it first", id)));
}

// --- opening and closing ---

Result<Group*> Groups::open_part(GroupSpec spec) {
  if (spec.id <= kStoreGroup || spec.id > raft::kNumberMax || spec.machine == nullptr) {
    return fail(Code::INVALID_ARGUMENT,
                "group {}: a group has a state machine and a number from {} to 2^62 - 1; {} is the store's",
                spec.id, kStoreGroup + 1, kStoreGroup);
  }
  if (parts_.contains(spec.id)) return fail(Code::ALREADY_EXISTS, "group {} is open on this node", spec.id);
  if (parts_.size() >= limits::kGroupsMax) {
    return fail(Code::LIMIT_EXCEEDED, "{} groups are open; at most {}", parts_.size(), limits::kGroupsMax);
  }
  auto part = std::make_unique<Part>(platform_.executor());
  part->machine = std::move(spec.machine);
  GroupOptions options = defaults_;
  options.id = spec.id;
  options.log_entries_max = spec.log_entries_max;
  options.on_failure = [id = spec.id](const Error& error) {
    log(LogLevel::error, "group {} has stopped on this node: {}", id, error.to_string());
  };
  const Group::Ground ground{platform_.executor(), part->region, *background_, links_, logs_};
  ASPEN_TRY(part->group, Group::open(ground, *part->machine, std::move(options)));
  if (spec.found && part->group->empty()) part->group->bootstrap();
  Group* group = part->group.get();
  parts_.emplace(spec.id, std::move(part));
  return group;
}

rt::Task<Result<>> Groups::open(rt::Cx& cx, GroupSpec spec) {
  const raft::GroupId id = spec.id;
  ASPEN_CO_TRY(Group * group, open_part(std::move(spec)));
  Result<> entered = co_await group->enter(
      cx, parts_.at(id)->region, [this, id](rt::Cx& task, bool again) { return join(task, id, again); },
      is_voter_in(*group));
  parts_.at(id)->opening = false;
  if (!entered) (void)co_await begin_to_end(cx, id);
  co_return entered;
}

rt::Task<Result<>> Groups::join(rt::Cx& cx, raft::GroupId id, bool again) {
  Group* group = find(id);
  if (group == nullptr) co_return fail(Code::SHUTDOWN, "group {} is closing", id);
  const Request request{.kind = RequestKind::join,
                        .body = encode(JoinRequest{id, group->peer(), defaults_.address, again})};
  Error last(Code::UNAVAILABLE, "no other node of the network is known");
  DurationNs pause = kAskAgainMin;
  for (;;) {
    std::vector<NodeId> nodes = router_.reachable();
    for (size_t i = 0; i < nodes.size(); ++i) {
      Response response = co_await router_.ask(cx, nodes[i], request);
      if (response.body) co_return Result<>();
      last = response.body.error();
      if (last.code == Code::NOT_A_MEMBER) co_return std::unexpected(last);
      if (!response.leader) continue;
      router_.learn(response.leader->node, response.leader->address);
      if (response.leader->node == nodes[i]) continue;
      response = co_await router_.ask(cx, response.leader->node, request);
      if (response.body) co_return Result<>();
      last = response.body.error();
      if (last.code == Code::NOT_A_MEMBER) co_return std::unexpected(last);
    }
    if (auto slept = co_await cx.sleep(pause); !slept) {
      co_return fail(slept.error().code, "{}, joining group {}; last: {}", slept.error().message, id,
                     last.to_string());
    }
    pause = std::min(2 * pause, kAskAgainMax);
  }
}

// Who asked may be cancelled; what was begun goes on.
rt::Task<Result<>> Groups::begin_to_end(rt::Cx& cx, raft::GroupId id) {
  parts_.at(id)->closing = true;
  auto ended = awaited<void>();
  ending_.spawn("close group", [this, id](rt::Cx& task) { return end(task, id); })
      .then([ended](rt::Outcome<> outcome) { ended->set(std::move(outcome).result()); });
  rt::Cx::Mask mask(cx);
  ASPEN_CO_TRY(Result<> result, co_await ended->recv(cx));
  co_return result;
}

rt::Task<Result<>> Groups::end(rt::Cx& cx, raft::GroupId id) {
  Part& part = *parts_.at(id);
  part.closing = true;
  part.region.cancel({rt::CancelKind::shutdown, "the group is closing"});
  co_await part.region.close();
  part.group->detach();
  rt::Oneshot<bool> closed;
  part.group->close([&closed] { closed.set(true); });
  Result<bool> done = co_await closed.recv(cx);
  parts_.erase(id);
  if (!done) co_return std::unexpected(done.error());
  co_return Result<>();
}

rt::Task<Result<>> Groups::close(rt::Cx& cx, raft::GroupId id) {
  ASPEN_CO_CHECK(need(id));
  if (parts_.at(id)->opening) co_return fail(Code::UNAVAILABLE, "group {} is being opened", id);
  co_return co_await begin_to_end(cx, id);
}

rt::Task<Result<>> Groups::close_all(rt::Cx& cx) {
  co_await ending_.close();
  while (!parts_.empty()) (void)co_await end(cx, parts_.begin()->first);
  co_return Result<>();
}

// --- use ---

rt::Task<Result<Bytes>> Groups::propose(rt::Cx& cx, raft::GroupId id, Bytes command) {
  DurationNs pause = kAskAgainMin;
  for (;;) {
    ASPEN_CO_TRY(Group * group, need(id));
    if (const auto& stopped = group->driver().failure())
      co_return std::unexpected(Error(stopped->code, Applied::NO, stopped->message));
    Result<Bytes> reply = std::unexpected(Error(Code::NOT_LEADER, Applied::NO, "nobody leads the group"));
    const raft::Member* leader = group->leader();
    if (group->leads()) {
      auto answer = awaited<Bytes>();
      group->driver().propose(command, [answer](Result<Bytes> result) { answer->set(std::move(result)); });
      ASPEN_CO_TRY(reply, co_await answer->recv(cx));
    } else if (leader != nullptr) {
      router_.learn(leader->node, leader->address);
      const Request request{.kind = RequestKind::group_command, .body = encode(GroupCommand{id, command})};
      reply = (co_await router_.ask(cx, leader->node, request)).body;
    }
    const bool twice = ASPEN_MUTANT("node-group-command-sent-again");
    bool again = !reply && (reply.error().applied == Applied::NO || twice) &&
                 (reply.error().code == Code::NOT_LEADER || reply.error().code == Code::UNAVAILABLE ||
                  reply.error().code == Code::NOT_FOUND || reply.error().code == Code::CONNECTION_LOST);
    if (!again) co_return reply;
    if (auto slept = co_await cx.sleep(pause); !slept) {
      co_return std::unexpected(
          Error(slept.error().code, Applied::NO,
                fmt::format("{}; last: {}", slept.error().message, reply.error().to_string())));
    }
    pause = std::min(2 * pause, kAskAgainMax);
  }
}

Result<raft::Status> Groups::status(raft::GroupId id) {
  ASPEN_TRY(Group * group, need(id));
  return group->driver().status();
}

rt::Task<Result<Bytes>> Groups::query(rt::Cx& cx, raft::GroupId id, Query ask) {
  DurationNs pause = kAskAgainMin;
  for (;;) {
    ASPEN_CO_TRY(Group * group, need(id));
    auto answer = awaited<void>();
    auto kind = group->leads() ? raft::ReadKind::index : raft::ReadKind::member;
    if (ASPEN_MUTANT("node-group-query-unconfirmed")) answer->set({});
    group->driver().read(kind, [answer](Result<> result) { answer->set(std::move(result)); });
    ASPEN_CO_TRY(Result<> ready, co_await answer->recv(cx));
    ASPEN_CO_TRY(group, need(id));
    if (ready && !group->driver().replacing()) co_return ask(*parts_.at(id)->machine);
    if (ready) ready = fail(Code::UNAVAILABLE, "the state is being replaced by a snapshot");
    const Code code = ready.error().code;
    if (code != Code::NOT_LEADER && code != Code::UNAVAILABLE) co_return std::unexpected(ready.error());
    if (auto slept = co_await cx.sleep(pause); !slept) {
      co_return fail(slept.error().code, "{}; last: {}", slept.error().message, ready.error().to_string());
    }
    pause = std::min(2 * pause, kAskAgainMax);
  }
}

rt::Task<Result<Bytes>> Groups::change(rt::Cx& cx, raft::GroupId id, Request request) {
  Applied applied = Applied::NO;
  DurationNs pause = kAskAgainMin;
  for (;;) {
    ASPEN_CO_TRY(Group * group, need(id));
    Error last(Code::NOT_LEADER, Applied::NO, "nobody leads the group");
    if (const raft::Member* leader = group->leader()) {
      router_.learn(leader->node, leader->address);
      Response response = co_await router_.ask(cx, leader->node, request);
      if (response.body) co_return std::move(response.body);
      last = response.body.error();
      if (last.applied == Applied::MAYBE) applied = Applied::MAYBE;
      if (!worth_retrying(last.code)) co_return std::unexpected(last);
    }
    if (auto slept = co_await cx.sleep(pause); !slept) {
      co_return std::unexpected(Error(slept.error().code, applied,
                                      fmt::format("{}; last: {}", slept.error().message, last.to_string())));
    }
    pause = std::min(2 * pause, kAskAgainMax);
  }
}

// --- housekeeping ---

rt::Task<Result<>> Groups::keep(rt::Cx& cx) {
  for (int round = 0;; ++round) {
    ASPEN_CO_CHECK(co_await cx.sleep_until(next_multiple(cx.now(), kKeepPeriod)));
    for (auto& [id, part] : parts_) {
      if (part->closing) continue;
      part->group->keep(cx.now());
      if (round % kConnectRounds == 0) part->group->transport().connect_members();
    }
  }
}

rt::Task<Result<>> Groups::hand_over(rt::Cx& cx) {
  for (auto& [id, part] : parts_) {
    if (part->group->leads()) (void)part->group->driver().transfer_leadership(raft::kNobody);
  }
  const TimeNs deadline = cx.now() + kHandOverTimeout;
  auto hands_over = [](const auto& item) {
    const raft::Core& core = item.second->group->driver().core();
    return core.role() == raft::Role::leader && core.config().members.size() > 1;
  };
  while (std::ranges::any_of(parts_, hands_over) && cx.now() < deadline) {
    ASPEN_CO_CHECK(co_await cx.sleep(kMillisecond));
  }
  co_return Result<>();
}

void Groups::storage_failed(const Error& error) {
  for (auto& [id, part] : parts_) part->group->driver().storage_failed(error);
}

}  // namespace aspen::node
