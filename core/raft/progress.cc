#include "core/raft/progress.h"

#include <algorithm>

#include "core/base/assert.h"

namespace aspen::raft {

bool FollowerProgress::may_send(const Window& window) const {
  switch (state_) {
    case State::probe:
      return !probe_sent_;
    case State::replicate:
      return in_flight_.size() < window.appends && bytes_in_flight_ < window.bytes;
    case State::snapshot:
      return false;
  }
  return false;
}

void FollowerProgress::sent(Index last, size_t bytes) {
  if (state_ == State::probe) {
    probe_sent_ = true;
    return;
  }
  if (last < next_) return;
  in_flight_.push_back({last, bytes});
  bytes_in_flight_ += bytes;
  next_ = last + 1;
}

void FollowerProgress::accepted(Index index, Index log_first) {
  match_ = std::max(match_, index);
  while (!in_flight_.empty() && in_flight_.front().last <= match_) {
    bytes_in_flight_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
  }
  next_ = std::max(next_, match_ + 1);
  // Waiting for a snapshot ends when the log alone can bring the follower forward.
  if (state_ == State::probe || (state_ == State::snapshot && match_ + 1 >= log_first)) {
    state_ = State::replicate;
    next_ = match_ + 1;
    probe_sent_ = false;
  }
  ASPEN_ASSERT(match_ < next_);
}

bool FollowerProgress::rejected(Index rejected, Index agree) {
  if (state_ == State::snapshot || rejected <= match_) return false;
  if (state_ == State::replicate) {
    probe(false);
    return true;
  }
  if (rejected != next_ - 1) return false;
  next_ = std::max(std::min(rejected, agree + 1), match_ + 1);
  probe_sent_ = false;
  return true;
}

void FollowerProgress::probe(bool wait) {
  if (state_ == State::replicate) next_ = match_ + 1;
  state_ = State::probe;
  forget_in_flight();
  probe_sent_ = wait;
  asked_ = false;
  ping = false;
}

void FollowerProgress::forget_in_flight() {
  in_flight_.clear();
  bytes_in_flight_ = 0;
}

bool FollowerProgress::ask_at(Index last) {
  if (asked_ || state_ != State::probe) return false;
  asked_ = true;
  next_ = last + 1;
  return true;
}

void FollowerProgress::snapshot_offered(Index index) {
  state_ = State::snapshot;
  snapshot_ = index;
  forget_in_flight();
}

void FollowerProgress::snapshot_ended(bool ok) {
  if (state_ != State::snapshot) return;
  next_ = std::max(ok ? snapshot_ + 1 : 0, match_ + 1);
  state_ = State::probe;
  probe_sent_ = false;
  asked_ = false;
}

void FollowerProgress::encode_state(wire::Writer& writer) const {
  writer.u8(static_cast<uint8_t>(state_));
  for (uint64_t number : {match_, next_, snapshot_, round, commit_sent, match_at_tick}) writer.u64(number);
  for (bool flag : {ping, probe_sent_, asked_}) writer.boolean(flag);
  writer.u64(in_flight_.size());
  for (const InFlight& append : in_flight_) writer.u64(append.last);
}

}  // namespace aspen::raft
