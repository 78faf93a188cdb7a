#include "core/rt/obligation.h"

#include <exception>
#include <utility>

#include "core/base/mutant.h"
#include "core/rt/observer.h"
#include "core/rt/region.h"

namespace aspen::rt {
namespace {

// Someone relies on hearing how it ended.
bool demands_a_word(ObligationKind kind) {
  return kind == ObligationKind::ack || kind == ObligationKind::lease;
}

uint64_t running_task(const Region& region) {
  const TaskBase* task = region.executor().current_task;
  return task != nullptr ? task->id() : 0;
}

const char* state_name(Obligation::State state) {
  constexpr const char* kNames[] = {"open", "committed", "aborted", "moved away or aborted by its region"};
  return kNames[static_cast<size_t>(state)];
}

}  // namespace

const char* to_string(ObligationKind kind) {
  constexpr const char* kNames[] = {"permit", "ack", "lease", "io"};
  return kNames[static_cast<size_t>(kind)];
}

Obligation::Obligation(Region& region, ObligationKind kind, const char* name, std::source_location origin)
    : Obligation(running_task(region), region, kind, name, origin) {}

Obligation::Obligation(uint64_t task, Region& region, ObligationKind kind, const char* name,
                       std::source_location origin)
    : region_(&region),
      executor_(&region.executor()),
      name_(name),
      origin_(origin),
      id_(executor_->next_id()),
      made_by_(task),
      kind_(kind),
      broken_(region.broken_promise_) {
  ASPEN_ASSERT(region.state_ != Region::State::closed);
  ASPEN_ASSERT(region.obligation_count_ < region.obligations_max_);
  region.obligations_.push_back(*this);
  ++region.obligation_count_;
  if (executor_->observer != nullptr) executor_->observer->obligation_made(*this);
}

Result<Obligation> Obligation::make(Region& region, ObligationKind kind, const char* name,
                                    std::source_location origin) {
  return make_for(running_task(region), region, kind, name, origin);
}

Result<Obligation> Obligation::make_for(uint64_t task, Region& region, ObligationKind kind, const char* name,
                                        std::source_location origin) {
  if (region.state_ == Region::State::closed) {
    return fail(Code::UNAVAILABLE, "{} is closed", region.describe());
  }
  if (region.obligation_count_ >= region.obligations_max_ && !ASPEN_MUTANT("rt-ledger-unbounded")) {
    return fail(Code::OVERLOADED, "{} holds {} obligations; at most {} (RegionOptions::obligations_max)",
                region.describe(), region.obligation_count_, region.obligations_max_);
  }
  return Obligation(task, region, kind, name, origin);
}

Obligation::Obligation(Obligation&& other) noexcept
    : region_(std::exchange(other.region_, nullptr)),
      executor_(other.executor_),
      name_(other.name_),
      origin_(other.origin_),
      id_(other.id_),
      made_by_(other.made_by_),
      kind_(other.kind_),
      state_(std::exchange(other.state_, State::gone)),
      broken_(other.broken_) {
  if (region_ == nullptr) return;
  other.unlink();
  region_->obligations_.push_back(*this);
}

void Obligation::drop() {
  if (state_ != State::open) return;
  bool leaks = demands_a_word(kind_) && std::uncaught_exceptions() == 0;
  end(State::aborted);
  if (leaks && !ASPEN_MUTANT("rt-leak-unnoticed")) {
    executor_->contained([this] { report(fmt::format("{} is dropped without a word", to_string())); });
  }
}

void Obligation::resolve() {
  if (state_ == State::open) end(State::committed);
}

void Obligation::end_by_word(State state) {
  if (state_ == State::open) return end(state);
  if (ASPEN_MUTANT("rt-second-word-unnoticed")) return;
  report(fmt::format("{} is {} when it is {}", to_string(), state_name(state), state_name(state_)));
}

void Obligation::end(State state) {
  unlink();
  Region& region = *std::exchange(region_, nullptr);
  state_ = state;
  --region.obligation_count_;
  if (executor_->observer != nullptr) executor_->observer->obligation_ended(*this);
  region.changed();
}

// Throws when the region's options say panic.
void Obligation::report(const std::string& text) const {
  log(LogLevel::error, "broken promise: {}", text);
  if (executor_->observer != nullptr) executor_->observer->promise_broken(*this, text);
  if (broken_ == BrokenPromise::panic && !ASPEN_MUTANT("rt-broken-promise-no-panic")) throw Panic(text);
}

std::string Obligation::to_string() const {
  return fmt::format("{} {}, made at {}:{} by task {}", rt::to_string(kind_), name_, origin_.file_name(),
                     origin_.line(), made_by_);
}

}  // namespace aspen::rt
