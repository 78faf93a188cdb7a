#include "core/journal/segment_reader.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/limits.h"

namespace aspen::journal {

Result<std::optional<Frame>> SegmentReader::next() {
  for (;;) {
    BytesView bytes = BytesView(window_).substr(scanner_.offset() - window_offset_);
    Scanner::Step step = scanner_.step(bytes, end_);
    if (step.kind == Scanner::Step::Kind::frame) return step.frame;
    if (step.kind == Scanner::Step::Kind::none) return std::nullopt;
    size_t had = bytes.size();
    ASPEN_CHECK(fill(step.need));
    bool got_more = window_.size() - (scanner_.offset() - window_offset_) > had;
    if (!got_more) return std::nullopt;  // the file is shorter than it was
  }
}

Result<> SegmentReader::fill(size_t need) {
  window_.erase(0, scanner_.offset() - window_offset_);
  window_offset_ = scanner_.offset();
  size_t have = window_.size();
  uint64_t room = end_ - (window_offset_ + have);
  size_t wanted = std::max(need, limits::kJournalReadBytes) - have;
  window_.resize(have + static_cast<size_t>(std::min<uint64_t>(wanted, room)));
  ASPEN_TRY(size_t got, file_.read(window_offset_ + have, std::span(window_).subspan(have)));
  window_.resize(have + got);
  return {};
}

Result<bool> SegmentReader::proves_loss() {
  static_assert(limits::kJournalReadBytes % kFrameAlign == 0);
  constexpr size_t kOverlap = kFrameHeaderBytes - kFrameAlign;
  if (scanner_.offset() >= end_) return false;
  size_t size = std::min<uint64_t>(limits::kJournalReadBytes, end_ - scanner_.offset());
  Bytes window(size, '\0');
  for (uint64_t at = scanner_.offset(); at + kFrameHeaderBytes <= end_; at += size - kOverlap) {
    size_t wanted = std::min<uint64_t>(size, end_ - at);
    ASPEN_TRY(size_t got, file_.read(at, std::span(window).first(wanted)));
    if (scanner_.proves_loss(BytesView(window).substr(0, got), at)) return true;
  }
  return false;
}

}  // namespace aspen::journal
