#include "core/journal/cursor.h"

#include <algorithm>

#include "core/journal/journal.h"
#include "core/journal/names.h"

namespace aspen::journal {

Result<std::optional<Entry>> Cursor::next() {
  for (;;) {
    if (std::optional<Record> record = records_.next()) {
      uint64_t sequence = sequence_++;
      if (sequence < from_ || (user_ && *user_ != record->user)) continue;
      return Entry{.sequence = sequence, .user = record->user, .payload = record->payload};
    }
    ASPEN_TRY(bool more, next_frame());
    if (!more) return std::nullopt;
  }
}

Result<bool> Cursor::next_frame() {
  if (segment_ == nullptr) {
    if (from_ < journal_->first_sequence()) {
      return fail(Code::NOT_FOUND, "journal record {} was given up; the first kept is {}", from_,
                  journal_->first_sequence());
    }
    ASPEN_CHECK(open_segment(journal_->segment_of(from_)));
  }
  for (;;) {
    ASPEN_TRY(std::optional<Journal::Extent> extent, journal_->extent(number_, *file_));
    const Scanner& scanner = segment_->scanner();
    if (!extent) {
      return fail(Code::NOT_FOUND, "journal record {} was given up while it was read; the first kept is {}",
                  scanner.sequence(), journal_->first_sequence());
    }
    if (scanner.sequence() < extent->end_sequence) {
      segment_->extend(extent->bytes);
      ASPEN_TRY(std::optional<Frame> frame, segment_->next());
      if (!frame) {
        return fail(Code::CORRUPT, "journal segment {}: the frame at byte {} is damaged (record {})",
                    file_name(number_, kSegmentSuffix), scanner.offset(), scanner.sequence());
      }
      records_ = RecordReader(frame->body, frame->header.records);
      sequence_ = frame->header.first_sequence;
      return true;
    }
    if (!extent->sealed) return false;
    ASPEN_CHECK(open_segment(number_ + 1));
  }
}

Result<> Cursor::open_segment(uint64_t number) {
  std::string name = file_name(number, kSegmentSuffix);
  ASPEN_TRY(auto file, journal_->directory_.open(name));
  Bytes bytes(kSegmentHeaderBytes, '\0');
  ASPEN_TRY(size_t got, file->read(0, bytes));
  ASPEN_TRY(SegmentHeader header, decode_segment_header(BytesView(bytes).substr(0, got), name));
  segment_ = std::make_unique<SegmentReader>(*file, header, kSegmentHeaderBytes);
  file_ = std::move(file);
  number_ = number;
  return {};
}

}  // namespace aspen::journal
