#include "core/journal/journal.h"

#include <algorithm>
#include <ranges>

#include "core/base/assert.h"
#include "core/base/mutant.h"
#include "core/journal/names.h"

namespace aspen::journal {
namespace {

// What did not touch the disk.
Error not_applied(Error error) {
  error.applied = Applied::NO;
  return error;
}

}  // namespace

Journal::Journal(Directory& directory, Options options)
    : directory_(directory),
      options_(std::move(options)),
      spares_(directory, options_.segment_bytes, options_.spares_max) {}

Journal::~Journal() = default;

size_t Journal::batch_bytes_max() const {
  return std::min(limits::kJournalBatchBytesMax, options_.segment_bytes - kSegmentHeaderBytes);
}

Result<uint64_t> Journal::append(std::span<const Record> records) {
  ASPEN_ASSERT(!records.empty());
  if (auto alive = check_alive(); !alive) return std::unexpected(not_applied(std::move(alive).error()));
  size_t bytes = frame_bytes(records);
  if (bytes > batch_bytes_max()) {
    return fail(Code::LIMIT_EXCEEDED, "{} records take {} bytes of the journal; at most {} in one append",
                records.size(), bytes, batch_bytes_max());
  }
  if (active_.end + bytes > active_.capacity) ASPEN_CHECK(roll());
  encode_frame(records);
  next_sequence_ += records.size();
  ++stats_.appends;
  stats_.records += records.size();
  if (pending_.size() >= limits::kJournalPendingBytesMax) ASPEN_CHECK(write_pending());
  return next_sequence_ - 1;
}

void Journal::encode_frame(std::span<const Record> records) {
  FramePlace place{.salt = active_.header.salt, .offset = active_.end};
  // Offsets fit: a segment is at most kJournalSegmentBytesMax.
  FrameHeader header{
      .first_sequence = next_sequence_, .synced = static_cast<uint32_t>(active_.synced), .epoch = epoch_};
  if (ASPEN_MUTANT("journal-synced-too-far")) header.synced = static_cast<uint32_t>(active_.end);
  size_t before = pending_.size();
  append_frame(pending_, place, header, records);
  active_.end += pending_.size() - before;
  active_.proven = active_.synced;
  if (!records.empty()) active_.records_end = active_.end;
  stats_.bytes += pending_.size() - before;
}

Result<> Journal::sync() {
  ASPEN_CHECK(check_alive());
  if (synced_sequence_ + 1 == next_sequence_) return {};
  ASPEN_CHECK(sync_active());
  ++stats_.syncs;
  return {};
}

Result<> Journal::check_alive() const {
  if (!poison_) return {};
  return fail(Code::IO, "the journal stopped at a failure and is to be opened again: {}", poison_->message);
}

Result<> Journal::poison(Result<> result) {
  if (!result && !ASPEN_MUTANT("journal-failure-forgotten")) poison_ = result.error();
  return result;
}

Result<> Journal::write_pending() {
  ASPEN_CHECK(poison(active_.file->write(active_.written, pending_)));
  active_.written = active_.end;
  pending_.clear();
  return {};
}

// Everything of the active segment, marks too.
Result<> Journal::sync_active() {
  bool alone = active_.written == active_.synced;
  if (alone) {
    ASPEN_CHECK(poison(active_.file->write_synced(active_.written, pending_)));
  } else {
    // What was written before is to be synced with it.
    if (!pending_.empty()) ASPEN_CHECK(write_pending());
    ASPEN_CHECK(poison(active_.file->sync()));
  }
  pending_.clear();
  active_.written = active_.synced = active_.end;
  synced_sequence_ = next_sequence_ - 1;
  return {};
}

// Refuses before anything is changed; from then on every failure poisons.
Result<> Journal::roll() {
  if (segments_.size() >= options_.segments_max) return overloaded();
  auto spare = spares_.take();
  if (!spare) return std::unexpected(not_applied(std::move(spare).error()));
  bool sync_first = active_.synced < active_.end && !ASPEN_MUTANT("journal-sealed-unsynced");
  if (sync_first) {
    ASPEN_CHECK(sync_active());
  } else if (!pending_.empty()) {
    ASPEN_CHECK(write_pending());
  }
  return start_segment(*std::move(spare));
}

std::unexpected<Error> Journal::overloaded() const {
  auto slowest = std::ranges::min_element(needs_, {}, [](const auto& need) { return need.second; });
  if (slowest == needs_.end()) {
    return fail(Code::OVERLOADED, "the journal has {} segments, its limit, and no user said what it needs",
                segments_.size());
  }
  return fail(Code::OVERLOADED, "the journal has {} segments, its limit; user {} still needs record {} of {}",
              segments_.size(), slowest->first, slowest->second, next_sequence_ - 1);
}

Result<> Journal::start_segment(SparePool::Spare spare) {
  SegmentHeader header{.journal = journal_,
                       .number = segments_.empty() ? 1 : segments_.back().number + 1,
                       .salt = ASPEN_MUTANT("journal-salt-reused") ? 1 : options_.random(),
                       .first_sequence = next_sequence_,
                       .epoch = epoch_,
                       .bytes = static_cast<uint32_t>(spare.bytes)};
  // The header first: what has a segment's name has its header, whatever crash comes.
  ASPEN_CHECK(poison(spare.file->write_synced(0, encode(header))));
  ASPEN_CHECK(poison(directory_.rename(spare.name, file_name(header.number, kSegmentSuffix))));
  if (!ASPEN_MUTANT("journal-name-not-synced")) ASPEN_CHECK(poison(directory_.sync()));
  segments_.push_back({.number = header.number, .first_sequence = header.first_sequence});
  active_ = {.file = std::move(spare.file),
             .header = header,
             .capacity = spare.bytes,
             .synced = kSegmentHeaderBytes,
             .written = kSegmentHeaderBytes,
             .end = kSegmentHeaderBytes,
             .proven = kSegmentHeaderBytes,
             .records_end = kSegmentHeaderBytes};
  ++stats_.segments_started;
  return {};
}

Result<> Journal::need(uint64_t user, uint64_t sequence) {
  auto [it, fresh] = needs_.try_emplace(user, sequence);
  if (fresh && needs_.size() > limits::kJournalUsersMax) {
    needs_.erase(it);
    return fail(Code::LIMIT_EXCEEDED, "the journal has {} users, its limit", limits::kJournalUsersMax);
  }
  ASPEN_ASSERT(sequence >= it->second);
  it->second = sequence;
  return {};
}

Result<> Journal::reclaim() {
  ASPEN_CHECK(check_alive());
  if (needs_.empty()) return {};
  uint64_t slowest = std::ranges::min(needs_ | std::views::values);
  if (ASPEN_MUTANT("journal-fastest-decides")) slowest = std::ranges::max(needs_ | std::views::values);
  // The oldest first, each durably, so that a crash leaves no gap.
  while (segments_.size() > 1 && segments_[1].first_sequence <= slowest) {
    ASPEN_CHECK(poison(spares_.give(file_name(segments_.front().number, kSegmentSuffix))));
    segments_.pop_front();
    ++stats_.segments_reclaimed;
  }
  return {};
}

Result<> Journal::mark() {
  if (active_.end + kFrameHeaderBytes > active_.capacity) return {};  // sealed soon, which proves it as well
  encode_frame({});
  return write_pending();
}

Result<bool> Journal::maintain() {
  ASPEN_CHECK(check_alive());
  bool idle = pending_.empty() && active_.synced >= active_.records_end;
  // Not synced: the next sync covers it, or the system writes it back in its time.
  if (idle && active_.proven < active_.records_end) ASPEN_CHECK(mark());
  // Not before half of the segment is used: many a journal never gets there.
  if (active_.end - kSegmentHeaderBytes < active_.capacity - active_.end) return false;
  return spares_.make_slice();
}

Result<> Journal::close() {
  ASPEN_CHECK(sync());
  if (active_.proven < active_.records_end) ASPEN_CHECK(mark());
  if (active_.synced == active_.end) return {};
  return sync_active();
}

Cursor Journal::read(uint64_t sequence, std::optional<uint64_t> user) const {
  return {*this, sequence, user};
}

Result<std::optional<Journal::Extent>> Journal::extent(uint64_t number, const File& file) const {
  uint64_t first = segments_.front().number;
  if (number < first) return std::nullopt;
  size_t index = number - first;
  ASPEN_ASSERT(index < segments_.size());
  if (index + 1 == segments_.size()) {
    return Extent{.bytes = active_.synced, .end_sequence = synced_sequence_ + 1, .sealed = false};
  }
  ASPEN_TRY(uint64_t size, file.size());
  return Extent{.bytes = size, .end_sequence = segments_[index + 1].first_sequence, .sealed = true};
}

std::string Journal::file_of(uint64_t sequence) const {
  return file_name(segment_of(sequence), kSegmentSuffix);
}

uint64_t Journal::segment_of(uint64_t sequence) const {
  auto after = std::ranges::upper_bound(segments_, sequence, {}, &Segment::first_sequence);
  ASPEN_ASSERT(after != segments_.begin());
  return std::prev(after)->number;
}

}  // namespace aspen::journal
