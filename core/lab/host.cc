#include "core/lab/host.h"

#include "core/base/assert.h"

namespace aspen::lab {
namespace {

constexpr WallNs kEpoch = 1'700'000'000 * kSecond;
constexpr DurationNs kTurnDelayMax = 10 * kMicrosecond;
constexpr DurationNs kGhostLimit = 3600 * kSecond;
constexpr int64_t kPpm = 1'000'000;

}  // namespace

Host::HostEnv::HostEnv(Events& events, Random random)
    : wall_offset(random.between(-50 * kMillisecond, 50 * kMillisecond)),
      events_(events),
      random_(random),
      world_base_(events.now()),
      // Machines boot at different times: nothing may compare two hosts' monotonic clocks.
      local_base_(kSecond + random.between(0, 1000 * kSecond)) {}

TimeNs Host::HostEnv::now() {
  if (ghost_now != 0) return ghost_now;
  auto passed = static_cast<__int128>(events_.now() - world_base_);
  return local_base_ + static_cast<TimeNs>(passed * (kPpm + drift_ppm_) / kPpm);
}

WallNs Host::HostEnv::wall_now() {
  return kEpoch + events_.now() + wall_offset;
}

TimeNs Host::HostEnv::world_time(TimeNs local) const {
  if (local <= local_base_) return world_base_;
  auto passed = static_cast<__int128>(local - local_base_);
  auto world = (passed * kPpm + (kPpm + drift_ppm_) - 1) / (kPpm + drift_ppm_);
  return world > kNever - world_base_ ? kNever : world_base_ + static_cast<TimeNs>(world);
}

void Host::HostEnv::set_drift(int64_t ppm) {
  ASPEN_ASSERT(ppm > -kPpm);
  local_base_ = now();
  world_base_ = events_.now();
  drift_ppm_ = ppm;
}

Host::Host(Events& events, Random random, std::string name)
    : events_(events),
      random_(random),
      name_(std::move(name)),
      env_(events, random.fork("env")),
      executor_(env_),
      self_(std::make_shared<Host*>(this)) {
  schedule_wake(true);
}

Host::~Host() {
  *self_ = nullptr;
}

void Host::deliver(Events::Action input) {
  if (state_ == State::dead) return;
  if (state_ == State::paused) {
    waiting_.push_back(std::move(input));
    return;
  }
  executor_.read_clock();
  executor_.contained([&] { input(); });
  schedule_wake(true);
}

void Host::pause() {
  if (state_ == State::running) state_ = State::paused;
}

void Host::resume() {
  if (state_ != State::paused) return;
  state_ = State::running;
  for (Events::Action& input : std::exchange(waiting_, {})) deliver(std::move(input));
  schedule_wake(true);
}

void Host::kill() {
  env_.ghost_now = env_.now();
  state_ = State::dead;
  waiting_.clear();
}

bool Host::finish(const std::function<bool()>& done) {
  ASPEN_ASSERT(dead());
  TimeNs end = env_.ghost_now + kGhostLimit;
  while (!done()) {
    if (executor_.turn()) continue;
    TimeNs next = executor_.next_timer();
    if (done()) break;
    if (next > end) return false;
    env_.ghost_now = std::max(env_.ghost_now, next);
  }
  return true;
}

void Host::set_drift(int64_t ppm) {
  env_.set_drift(ppm);
  wake_at_ = kNever;
  schedule_wake(true);
}

// What the executor has ready runs soon; what waits for a timer, then.
void Host::schedule_wake(bool ready) {
  if (state_ != State::running) return;
  TimeNs soon = events_.now() + random_.between(0, kTurnDelayMax);
  wake_at(ready ? soon : env_.world_time(executor_.next_timer()));
}

void Host::wake_at(TimeNs world) {
  if (world >= wake_at_ || world == kNever) return;
  wake_at_ = world;
  events_.at(world, [self = self_, world] {
    if (*self != nullptr && (*self)->wake_at_ == world) (*self)->wake();
  });
}

void Host::wake() {
  wake_at_ = kNever;
  if (state_ != State::running) return;
  bool more = executor_.turn();
  ++turns_;
  if (after_turn) after_turn();
  schedule_wake(more);
}

}  // namespace aspen::lab
