#include "core/raft/log_appender.h"

namespace aspen::raft {
namespace {

constexpr size_t kFrameOverhead = journal::kFrameHeaderBytes + journal::kFrameAlign;

}  // namespace

Result<LogAppender::Place> LogAppender::add(GroupId group, Bytes record) {
  Place place{.sequence = journal_.next_sequence() + records_.size()};
  size_t part_max = journal_.batch_bytes_max() - kFrameOverhead - journal::kRecordHeaderBytes;
  for (Bytes& part : cut_record(std::move(record), part_max)) {
    place.size += part.size() + journal::kRecordHeaderBytes;
    ASPEN_CHECK(add_part(group, std::move(part)));
  }
  return place;
}

Result<> LogAppender::add_part(GroupId group, Bytes part) {
  size_t size = part.size() + journal::kRecordHeaderBytes;
  if (kFrameOverhead + frame_bytes_ + size > journal_.batch_bytes_max()) ASPEN_CHECK(flush());
  parts_.push_back(std::move(part));
  records_.push_back({.user = group, .payload = parts_.back()});
  frame_bytes_ += size;
  return {};
}

Result<> LogAppender::flush() {
  if (records_.empty()) return {};
  auto appended = journal_.append(records_);
  records_.clear();
  parts_.clear();
  frame_bytes_ = 0;
  if (!appended) return forward_error(std::move(appended));
  return {};
}

}  // namespace aspen::raft
