// How a journal is opened: journal.h, "What is opened".
#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"
#include "core/journal/journal.h"
#include "core/journal/names.h"

namespace aspen::journal {
namespace {

Result<> check_options(const Options& options) {
  ASPEN_ASSERT(options.random);
  size_t bytes = options.segment_bytes;
  bool size_fits = bytes >= 2 * kSegmentHeaderBytes && bytes <= limits::kJournalSegmentBytesMax;
  if (size_fits && bytes % kSegmentHeaderBytes == 0) return {};
  return fail(Code::INVALID_ARGUMENT, "journal segments of {} bytes; from {} to {}, a multiple of {}", bytes,
              2 * kSegmentHeaderBytes, limits::kJournalSegmentBytesMax, kSegmentHeaderBytes);
}

Result<SegmentHeader> read_header(const File& file, const std::string& name) {
  Bytes bytes(kSegmentHeaderBytes, '\0');
  ASPEN_TRY(size_t got, file.read(0, bytes));
  ASPEN_TRY(SegmentHeader header, decode_segment_header(BytesView(bytes).substr(0, got), name));
  ASPEN_TRY(uint64_t size, file.size());
  if (size < header.bytes) {
    return fail(Code::CORRUPT, "journal segment {} is cut: {} bytes of {}", name, size, header.bytes);
  }
  return header;
}

// `header` comes right after `last`, and is in the file of that number.
Result<> check_follows(const SegmentHeader& last, const SegmentHeader& header, uint64_t number) {
  std::string name = file_name(number, kSegmentSuffix);
  if (header.number != number) {
    return fail(Code::CORRUPT, "journal segment {} says that its number is {}", name, header.number);
  }
  if (header.journal != last.journal) {
    return fail(Code::CORRUPT, "journal segment {} is of another journal than the one before", name);
  }
  if (number != last.number + 1) {
    return fail(Code::CORRUPT, "journal segment {} is missing", file_name(last.number + 1, kSegmentSuffix));
  }
  if (header.first_sequence < last.first_sequence || header.epoch < last.epoch) {
    return fail(Code::CORRUPT, "journal segment {} does not go on from the one before", name);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(Directory& directory, Options options) {
  ASPEN_CHECK(check_options(options));
  std::unique_ptr<Journal> journal(new Journal(directory, std::move(options)));
  ASPEN_CHECK(journal->recover());
  return journal;
}

Result<> Journal::recover() {
  ASPEN_TRY(std::vector<std::string> names, directory_.list());
  // A process that died may have left names that only the system's memory has.
  ASPEN_CHECK(directory_.sync());
  ASPEN_CHECK(spares_.adopt(names));
  ASPEN_CHECK(recover_headers(names));
  if (!segments_.empty()) return recover_tail();
  journal_ = options_.random();
  ASPEN_TRY(SparePool::Spare spare, spares_.take_first());
  return start_segment(std::move(spare));
}

Result<> Journal::recover_headers(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    std::optional<uint64_t> number = number_of(name, kSegmentSuffix);
    if (!number) continue;
    ASPEN_TRY(auto file, directory_.open(name));
    ASPEN_TRY(SegmentHeader header, read_header(*file, name));
    SegmentHeader last = header;
    last.number = *number - 1;
    ASPEN_CHECK(check_follows(segments_.empty() ? last : active_.header, header, *number));
    segments_.push_back({.number = *number, .first_sequence = header.first_sequence});
    active_.file = std::move(file);
    active_.header = header;
  }
  journal_ = active_.header.journal;
  return {};
}

Result<> Journal::recover_tail() {
  active_.capacity = active_.header.bytes;
  SegmentReader reader(*active_.file, active_.header, active_.capacity);
  const Scanner& scanner = reader.scanner();
  for (;;) {
    ASPEN_TRY(std::optional<Frame> frame, reader.next());
    if (!frame) break;
    if (frame->header.records > 0) active_.records_end = scanner.offset();
    ++stats_.frames_recovered;
  }
  ASPEN_TRY(bool damaged, reader.proves_loss());
  if (damaged) {
    return fail(Code::CORRUPT, "journal segment {}: the frame at byte {} is damaged (record {})",
                file_name(active_.header.number, kSegmentSuffix), scanner.offset(), scanner.sequence());
  }
  if (!ASPEN_MUTANT("journal-tail-not-rewritten")) ASPEN_CHECK(rewrite(scanner.synced(), scanner.offset()));
  ASPEN_CHECK(active_.file->sync());
  active_.synced = active_.written = active_.end = scanner.offset();
  next_sequence_ = scanner.sequence();
  synced_sequence_ = next_sequence_ - 1;
  // Of this epoch nothing was ever written, because nothing is before its first frame is durable. So whatever
  // still stands behind the end, from a write that was torn, cannot come to count by what is written now.
  epoch_ = scanner.epoch() + 1;
  if (ASPEN_MUTANT("journal-epoch-stands")) epoch_ = scanner.epoch();
  if (active_.end + kFrameHeaderBytes <= active_.capacity) {
    encode_frame({});
    return sync_active();
  }
  ASPEN_TRY(SparePool::Spare spare, spares_.take());
  return start_segment(std::move(spare));
}

// The bytes are as they were read; the system takes them for changed, and the next sync is of them.
Result<> Journal::rewrite(uint64_t from, uint64_t to) {
  Bytes bytes;
  while (from < to) {
    bytes.resize(static_cast<size_t>(std::min<uint64_t>(limits::kJournalReadBytes, to - from)));
    ASPEN_TRY(size_t got, active_.file->read(from, bytes));
    if (got < bytes.size()) {
      return fail(Code::IO, "journal segment {} got shorter while it was read",
                  file_name(active_.header.number, kSegmentSuffix));
    }
    ASPEN_CHECK(active_.file->write(from, bytes));
    stats_.bytes_rewritten += got;
    from += got;
  }
  return {};
}

}  // namespace aspen::journal
