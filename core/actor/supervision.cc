#include "core/actor/supervision.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "core/base/assert.h"
#include "core/base/mutant.h"

namespace aspen::actor {
namespace {

TimeNs after(TimeNs now, DurationNs duration) {
  return duration > kNever - now ? kNever : now + duration;
}

uint64_t next_random(uint64_t& state) {  // splitmix64
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

Result<> check_child(const ChildPolicy& policy) {
  if (policy.id.empty() || policy.id.size() > limits::kActorNameBytesMax) {
    return fail(Code::INVALID_ARGUMENT, "a child's id of {} bytes; 1 to {}", policy.id.size(),
                limits::kActorNameBytesMax);
  }
  if (policy.shutdown_timeout < 0 || policy.start_timeout < 0) {
    return fail(Code::INVALID_ARGUMENT, "child {}: a timeout is negative", policy.id);
  }
  return {};
}

}  // namespace

Result<> Supervision::check(const SupervisionOptions& options) {
  if (options.restarts_max > limits::kSupervisorRestartsMax) {
    return fail(Code::LIMIT_EXCEEDED, "a supervisor with {} restarts; at most {}", options.restarts_max,
                limits::kSupervisorRestartsMax);
  }
  if (options.period <= 0 || options.backoff.first < 0 || options.backoff.max < options.backoff.first) {
    return fail(Code::INVALID_ARGUMENT, "a supervisor's period is positive, its back-off 0 <= first <= max");
  }
  return {};
}

Result<> Supervision::check(const std::vector<ChildPolicy>& children) {
  if (children.size() > limits::kSupervisorChildrenMax) {
    return fail(Code::LIMIT_EXCEEDED, "a supervisor with {} children; at most {}", children.size(),
                limits::kSupervisorChildrenMax);
  }
  std::set<std::string_view> ids;
  for (const ChildPolicy& policy : children) {
    ASPEN_CHECK(check_child(policy));
    if (!ids.insert(policy.id).second) return fail(Code::INVALID_ARGUMENT, "two children are {}", policy.id);
  }
  return {};
}

Supervision::Supervision(SupervisionOptions options, std::vector<ChildPolicy> children, uint64_t seed)
    : options_(options), initial_to_start_(children.size()), random_(seed) {
  ASPEN_ASSERT(check(options) && check(children));
  for (ChildPolicy& policy : children) {
    Key key = children_.size();
    ids_.emplace(policy.id, key);
    children_.emplace(key, Child{.key = key, .policy = std::move(policy), .initial = true});
  }
}

Supervision::Effects Supervision::step(const Input& input, TimeNs now) {
  now_ = now;
  if (finished_) return {};
  std::visit([this](const auto& happened) { on(happened); }, input);
  progress();
  return std::exchange(effects_, {});
}

// ---- what happened

void Supervision::on(const Started& started) {
  Child* child = find(started.key);
  if (child == nullptr || child->state != State::starting) return;
  child->state = State::up;
  child->up_since = now_;
  child->deadline = kNever;
  child->was_up = true;
  no_longer_initial(*child);
  answer_start(*child, child->key);
}

void Supervision::on(const Exited& exited) {
  Child* child = find(exited.key);
  if (child == nullptr || child->state == State::down) return;
  State was = std::exchange(child->state, State::down);
  child->deadline = kNever;
  bool expected = was == State::stopping || child->recycle || child->goal != Goal::up;
  if (expected) return went_down(*child);
  if (was == State::starting) return start_failed(*child, exited.reason);
  ended(*child, exited.reason);
}

void Supervision::on(const Add& add) {
  auto refuse = [&](std::unexpected<Error> error) {
    answer(add.token, Result<Key>(std::move(error)));
    effects_.push_back(Forget{add.key});
  };
  ASPEN_ASSERT(children_.empty() || add.key > children_.rbegin()->first);
  if (finish_) return refuse(fail(Code::SHUTDOWN, "the supervisor is ending"));
  if (auto checked = check_child(add.policy); !checked) return refuse(forward_error(std::move(checked)));
  if (find(add.policy.id) != nullptr) {
    return refuse(fail(Code::ALREADY_EXISTS, "the supervisor has a child {}", add.policy.id));
  }
  if (children_.size() >= limits::kSupervisorChildrenMax) {
    return refuse(fail(Code::LIMIT_EXCEEDED, "the supervisor has {} children; at most {}", children_.size(),
                       limits::kSupervisorChildrenMax));
  }
  ids_.emplace(add.policy.id, add.key);
  children_.emplace(add.key, Child{.key = add.key, .policy = add.policy, .start_token = add.token});
}

void Supervision::on(const Terminate& terminate) {
  Child* child = find_for(terminate.id, terminate.token);
  if (child == nullptr) return;
  child->goal = Goal::held;
  no_longer_initial(*child);
  child->forget = child->forget || child->policy.restart == Restart::temporary;
  answer_start(*child, fail(Code::CANCELLED, "child {} was terminated", terminate.id));
  child->stop_tokens.push_back(terminate.token);
  if (child->state == State::down) went_down(*child);
}

void Supervision::on(const StartAgain& start) {
  Child* child = find_for(start.id, start.token);
  if (child == nullptr) return;
  if (child->state != State::down || child->goal == Goal::up) {
    return answer(start.token, fail(Code::ALREADY_EXISTS, "child {} is running or restarting", start.id));
  }
  child->goal = Goal::up;
  child->due = now_;
  child->start_token = start.token;
}

void Supervision::on(const Remove& remove) {
  Child* child = find_for(remove.id, remove.token);
  if (child == nullptr) return;
  if (child->state != State::down || child->goal == Goal::up) {
    return answer(remove.token, fail(Code::IN_USE, "child {} is running; terminate it first", remove.id));
  }
  answer(remove.token, child->key);
  forget(*child);
}

void Supervision::on(const Stop& stop) {
  kill_ = kill_ || stop.kill;
  finish(stop.reason);
  if (!kill_) return;
  for (auto& [key, child] : children_) {
    if (child.state == State::stopping) child.deadline = now_;
  }
}

// ---- ends

// It does not hold up the end of the first start (any more).
void Supervision::no_longer_initial(Child& child) {
  if (std::exchange(child.initial, false)) --initial_to_start_;
}

// As it should: it was told to, or its life was over for another reason.
void Supervision::went_down(Child& child) {
  child.recycle = false;
  for (Token token : std::exchange(child.stop_tokens, {})) answer(token, child.key);
  if (child.forget) return forget(child);
}

void Supervision::start_failed(Child& child, const ExitReason& reason) {
  std::string text = child.timed_out
                         ? fmt::format("child {} failed to start: it was not ready in time", child.policy.id)
                         : fmt::format("child {} failed to start: {}", child.policy.id, reason.to_string());
  Error error(Code::UNAVAILABLE, Applied::NO, std::move(text));
  bool wanted = child.start_token != 0;  // by one who is told; nobody else did
  if (wanted && !ASPEN_MUTANT("actor-added-child-fails-all")) {
    child.goal = Goal::held;
    answer_start(child, std::unexpected(std::move(error)));
    if (!child.was_up) forget(child);
  } else if (!child.was_up) {
    finish(ExitReason::error(std::move(error)));
  } else {
    restart(child, ExitReason::error(std::move(error)));
  }
}

void Supervision::ended(Child& child, const ExitReason& reason) {
  bool ran_long = now_ - child.up_since >= options_.period;
  if (ran_long && !ASPEN_MUTANT("actor-backoff-not-forgotten")) child.attempts = 0;
  Restart policy = child.policy.restart;
  bool failed = reason.failure() || ASPEN_MUTANT("actor-transient-always-restarted");
  bool again = policy == Restart::permanent || (policy == Restart::transient && failed) ||
               ASPEN_MUTANT("actor-temporary-restarted");
  if (again) return restart(child, reason);
  child.goal = Goal::done;
  if (policy == Restart::temporary) forget(child);
}

void Supervision::restart(Child& child, const ExitReason& reason) {
  restarts_.push_back(now_);
  while (now_ - restarts_.front() >= options_.period) restarts_.pop_front();
  if (restarts_.size() > options_.restarts_max && !ASPEN_MUTANT("actor-intensity-unlimited")) {
    std::string text = fmt::format("{} restarts within {} ms, at most {}; the last of child {}: {}",
                                   restarts_.size(), options_.period / kMillisecond, options_.restarts_max,
                                   child.policy.id, reason.to_string());
    return finish(ExitReason::error(Error(Code::LIMIT_EXCEEDED, std::move(text))));
  }
  ++child.restarts;
  child.due = after(now_, backoff(child));
  if (!grouped()) return;
  for (auto& [key, sibling] : children_) {
    bool all = options_.strategy == Strategy::one_for_all ? !ASPEN_MUTANT("actor-one-for-all-spares-older")
                                                          : ASPEN_MUTANT("actor-rest-for-one-restarts-all");
    bool follows = all || (key > child.key && !ASPEN_MUTANT("actor-rest-for-one-restarts-one"));
    if (&sibling != &child && follows) restart_with(sibling, child.due);
  }
}

void Supervision::restart_with(Child& sibling, TimeNs due) {
  if (sibling.goal == Goal::held && !ASPEN_MUTANT("actor-terminated-child-comes-back")) return;
  if (sibling.policy.restart == Restart::temporary) {
    if (sibling.state == State::down) return;  // it has not been started yet
    sibling.goal = Goal::held;
    sibling.forget = true;
    no_longer_initial(sibling);
    answer_start(sibling, fail(Code::CANCELLED, "child {} ended with a sibling", sibling.policy.id));
    return;
  }
  sibling.goal = Goal::up;
  sibling.due = due;
  sibling.recycle = sibling.state == State::starting || sibling.state == State::up;
}

void Supervision::finish(ExitReason reason) {
  if (finish_) return;
  finish_ = std::move(reason);
  for (auto& [key, child] : children_) {
    child.goal = Goal::held;
    answer_start(child, fail(Code::SHUTDOWN, "the supervisor is ending"));
  }
}

// ---- goals and states

void Supervision::progress() {
  enforce_timeouts();
  bool stopping = stop_next();
  if (finish_) {
    bool alive = std::ranges::any_of(children_ | std::views::values,
                                     [](const Child& child) { return child.state != State::down; });
    if (alive) return;
    finished_ = true;
    effects_.push_back(Finished{*finish_});
    return;
  }
  if (!stopping || !grouped()) start_next();
  if (initial_to_start_ == 0 && !std::exchange(ready_told_, true)) effects_.push_back(Ready{});
}

void Supervision::enforce_timeouts() {
  for (auto& [key, child] : children_) {
    if (child.deadline > now_) continue;
    child.timed_out = child.state == State::starting;
    child.deadline = kNever;
    if (!std::exchange(child.killed, true)) effects_.push_back(Kill{key});
  }
}

// The youngest that must go, if none goes already. True when one goes.
bool Supervision::stop_next() {
  Child* next = nullptr;
  for (auto& [key, child] : children_) {
    if (child.state == State::stopping) return true;
    bool alive = child.state == State::starting || child.state == State::up;
    if (!alive || (child.goal == Goal::up && !child.recycle)) continue;
    if (next == nullptr || !ASPEN_MUTANT("actor-stops-oldest-first")) next = &child;
  }
  if (next != nullptr) begin_stop(*next);
  return next != nullptr;
}

void Supervision::begin_stop(Child& child) {
  child.state = State::stopping;
  if (kill_ || child.policy.shutdown_timeout == 0 || child.killed) {
    if (!std::exchange(child.killed, true)) effects_.push_back(Kill{child.key});
    child.deadline = kNever;
  } else {
    child.deadline =
        ASPEN_MUTANT("actor-shutdown-has-no-end") ? kNever : after(now_, child.policy.shutdown_timeout);
    effects_.push_back(Ask{child.key});
  }
}

void Supervision::start_next() {
  for (auto& [key, child] : children_) {
    if (child.state == State::starting && !ASPEN_MUTANT("actor-starts-do-not-wait")) return;
  }
  for (auto& [key, child] : children_) {
    if (child.state != State::down || child.goal != Goal::up) continue;
    if (child.due > now_) {
      if (grouped()) return;  // those that follow depend on it
      continue;
    }
    child.state = State::starting;
    child.deadline = child.policy.reports_ready ? after(now_, child.policy.start_timeout) : kNever;
    child.killed = child.timed_out = false;
    effects_.push_back(Start{key});
    return;
  }
}

TimeNs Supervision::next_due() const {
  TimeNs next = kNever;
  for (const auto& [key, child] : children_) {
    next = std::min(next, child.deadline);
    // One that is due and still down waits for another.
    bool waits = child.state == State::down && child.goal == Goal::up && child.due > now_;
    if (waits) next = std::min(next, child.due);
  }
  return next;
}

DurationNs Supervision::backoff(Child& child) {
  DurationNs delay = options_.backoff.first;
  unsigned doublings = ASPEN_MUTANT("actor-backoff-stays") ? 0 : child.attempts;
  for (unsigned i = 0; i < doublings && delay < options_.backoff.max && delay > 0; ++i) {
    delay = delay > options_.backoff.max / 2 ? options_.backoff.max : delay * 2;
  }
  ++child.attempts;
  DurationNs half = delay / 2;
  return delay - half + static_cast<DurationNs>(next_random(random_) % (static_cast<uint64_t>(half) + 1));
}

// ---- children

Supervision::Child* Supervision::find(Key key) {
  auto it = children_.find(key);
  return it == children_.end() ? nullptr : &it->second;
}

Supervision::Child* Supervision::find(const std::string& id) {
  auto it = ids_.find(id);
  return it == ids_.end() ? nullptr : find(it->second);
}

// For a request; it is answered when there is no such child, or when it comes too late.
Supervision::Child* Supervision::find_for(const std::string& id, Token token) {
  Child* child = find(id);
  if (finish_) {
    answer(token, fail(Code::SHUTDOWN, "the supervisor is ending"));
    return nullptr;
  }
  if (child == nullptr) answer(token, fail(Code::NOT_FOUND, "the supervisor has no child {}", id));
  return child;
}

void Supervision::answer(Token token, Result<Key> result) {
  if (token != 0) effects_.push_back(Answer{token, std::move(result)});
}

void Supervision::answer_start(Child& child, Result<Key> result) {
  answer(std::exchange(child.start_token, 0), std::move(result));
}

void Supervision::forget(Child& child) {
  Key key = child.key;
  effects_.push_back(Forget{key});
  ids_.erase(child.policy.id);
  children_.erase(key);
}

std::vector<ChildStatus> Supervision::list() const {
  std::vector<ChildStatus> list;
  for (const auto& [key, child] : children_) {
    list.push_back({.key = key,
                    .id = child.policy.id,
                    .state = child.state,
                    .restarting = child.state == State::down && child.goal == Goal::up && child.was_up,
                    .restarts = child.restarts});
  }
  return list;
}

}  // namespace aspen::actor
