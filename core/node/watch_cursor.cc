#include "core/node/watch_cursor.h"

#include <algorithm>

#include "core/base/mutant.h"

namespace aspen::node {

WatchOpen WatchCursor::open(uint64_t id) {
  opened_ = false;
  if (!ASPEN_MUTANT("node-watch-keeps-half-a-revision")) {
    partial_.clear();
    partial_bytes_ = 0;
    partial_revision_ = 0;
  }
  WatchOpen open{.id = id, .request = request_};
  if (ASPEN_MUTANT("node-watch-gap-at-resume") && next_ > request_.first_revision) ++next_;
  open.request.first_revision = next_;
  outstanding_ = std::max<int64_t>(0, window_ - static_cast<int64_t>(ready_bytes_));
  open.credit = static_cast<uint64_t>(outstanding_);
  return open;
}

Result<> WatchCursor::take(WatchOpened opened) {
  if (opened_) return fail(Code::PROTOCOL, "a watch was opened twice");
  if (opened.first_revision == 0 || (next_ != 0 && opened.first_revision != next_)) {
    return fail(Code::PROTOCOL, "the watch was opened at revision {}, asked for {}", opened.first_revision,
                next_);
  }
  opened_ = true;
  next_ = opened.first_revision;
  if (first_ == 0) first_ = next_;
  return {};
}

Result<> WatchCursor::take(WatchEvents events) {
  for (WatchPart& part : events.parts) ASPEN_CHECK(take(std::move(part)));
  return {};
}

Result<> WatchCursor::take(WatchPart part) {
  const bool more = !partial_.empty();
  if (!opened_ || part.revision < next_ || (more && part.revision != partial_revision_)) {
    return fail(Code::PROTOCOL, "events of revision {} out of turn, {} comes next", part.revision, next_);
  }
  if (more && part.events.front().key <= partial_.back().key) {
    return fail(Code::PROTOCOL, "the events of revision {} are not in the order of their keys",
                part.revision);
  }
  for (kv::Event& event : part.events) {
    if (outstanding_ <= 0 && !ASPEN_MUTANT("node-watch-takes-unpaid")) {
      return fail(Code::PROTOCOL, "events of revision {} without credit", part.revision);
    }
    size_t bytes = kv::cost(event, request_.previous);
    outstanding_ -= static_cast<int64_t>(bytes);
    partial_bytes_ += bytes;
    partial_.push_back(std::move(event));
  }
  partial_revision_ = part.revision;
  if (partial_bytes_ > limits::kWatchRevisionBytesMax) {
    return fail(Code::LIMIT_EXCEEDED,
                "revision {} changed more than {} bytes of what is watched: watch smaller ranges, or without "
                "previous values",
                part.revision, limits::kWatchRevisionBytesMax);
  }
  if (!part.last) return {};
  next_ = part.revision + 1;
  ready_bytes_ += partial_bytes_;
  ready_.push_back({{part.revision, std::exchange(partial_, {})}, std::exchange(partial_bytes_, 0)});
  return {};
}

// One that says nothing new is from a member that has applied less than the one before it.
Result<> WatchCursor::take(WatchMark mark) {
  if (!opened_) return fail(Code::PROTOCOL, "a mark before the watch was opened");
  if (!partial_.empty() && mark.revision >= partial_revision_) {
    return fail(Code::PROTOCOL, "a mark at {} inside of revision {}", mark.revision, partial_revision_);
  }
  if (mark.revision < next_) return {};
  next_ = mark.revision + 1;
  // Only the latest of several in a row counts.
  if (!ready_.empty() && ready_.back().item.events.empty()) {
    ready_.back().item.revision = mark.revision;
  } else {
    ready_.push_back({{mark.revision}, 0});
  }
  return {};
}

std::optional<WatchItem> WatchCursor::pop() {
  if (ready_.empty()) return std::nullopt;
  if (ready_.size() > 1 && ASPEN_MUTANT("node-watch-out-of-order")) std::swap(ready_[0], ready_[1]);
  Ready first = std::move(ready_.front());
  ready_.pop_front();
  ready_bytes_ -= first.bytes;
  return std::move(first.item);
}

size_t WatchCursor::credit() {
  if (!opened_) return 0;
  int64_t room = window_ - static_cast<int64_t>(ready_bytes_) - outstanding_;
  if (room <= 0 || (room < window_ / 4 && outstanding_ > 0)) return 0;
  outstanding_ += room;
  return static_cast<size_t>(room);
}

}  // namespace aspen::node
