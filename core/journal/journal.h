// An append-only log of many users in one file after another, with one sync for all of them.
//
// Problem. Many groups of consensus on one node each have a log and a hard state to make durable before they
// answer. A synced file, or a synced database batch, for each would cost a sync each; and a sync is what a
// durable write costs.
//
// Idea. All of them append to one journal. What was appended in a turn leaves in one write and one sync
// (group commit), into a segment whose blocks exist already: it was zeroed when it was made, or it held what
// nobody needs any more. So a write in steady state neither allocates nor converts blocks, and cannot find
// the disk full. Each user says from which record on it needs the log; segments below the slowest are used
// again.
//
//   ASPEN_TRY(auto directory, PosixDirectory::at(path));
//   ASPEN_TRY(auto journal, Journal::open(*directory, {.random = random}));
//   Cursor cursor = journal->read(journal->first_sequence());    // after a start: bring the users forward
//   for (;;) {
//     ASPEN_TRY(auto entry, cursor.next());
//     if (!entry) break;
//     ... entry->user, entry->sequence, entry->payload ...
//   }
//   Record records[] = {{.user = 7, .payload = "..."}, {.user = 9, .payload = "..."}};
//   ASPEN_TRY(uint64_t last, journal->append(records));          // all of them or none, also after a crash
//   ASPEN_CHECK(journal->sync());                                // once a turn; now they are durable
//   journal->need(7, from_here); journal->need(9, from_there);   // what may go
//   ASPEN_CHECK(journal->reclaim());
//
// Records are numbered from 1 on, all users together: the sequence. A user that truncates its log appends a
// record that says so; the journal knows nothing of it. What a record means, and to whom, is its payload.
//
// On disk (format.h has every byte). A segment is a file NUMBER.journal: a block with its header, then
// frames; a frame is one append. The first is short, so that a new journal is there at once. Frames carry
// checksums that cover the segment's salt and their offset, so what a file held before, and a frame that
// ended up in a wrong place, are never taken for records. They carry an epoch, which rises with every
// opening, so that what an earlier run wrote, and a crash left behind an end that was repaired, is not taken
// for records either. And they say up to where the segment was durable when they were made: that tells damage
// from a torn end. A frame without records, a mark, does only that.
//
// Other files: SLOT.spare, whole and not in use; new.spare, not zeroed yet. Anything else is left alone.
//
// What is opened:
//
// - Sealed segments, all but the last, were durable in whole before the next one got its name. Any frame
//   missing is CORRUPT; that is noticed when it is read, not by open().
// - The frames of the last segment count up to the first place where none follows. If a header further on
//   says that this place was durable, it is CORRUPT. Else it is the torn end of a write that was never
//   acknowledged, and is dropped.
// - What counts but is not known to be durable (the page cache may hold what the disk does not) is written
//   again and synced, then a mark of the next epoch is, and only then is it handed out.
//
// Failure cases:
//
// - Power cut: everything synced is there, of what was not a first part, of an append all or nothing.
// - A damaged bit is CORRUPT, unless it is in what was appended in the last turn before a crash: there it
//   cannot be told from a torn write and is dropped like one (Alagappan et al., Protocol-Aware Recovery, FAST
//   '18, meets the same case). The mark that maintain(), when the journal is idle, and close() write ends
//   that.
// - A write or a sync fails: poisoned. Every later append and sync fails and says why; it never tries again,
//   because a second sync that succeeds proves nothing. Reads go on. Opening again is the remedy.
// - The disk is full: making a segment fails, and the append that needed it is refused, applied: no. What was
//   appended before can be synced, and the append may be tried again.
// - segments_max are in use: refused OVERLOADED, naming the slowest user.
// - A crash while a segment is made leaves new.spare, which open() removes. A crash while one is started or
//   given up leaves it a spare or a segment: its name changes in one step, to a segment's after its new
//   header is durable, and to a spare's durably before its header is overwritten.
//
// Invariants: first_sequence() - 1 <= synced_sequence() < next_sequence(); segments' numbers rise by one;
// what was synced is never dropped silently, but in the one case above. Memory is kJournalPendingBytesMax and
// one batch, and for a Cursor kJournalReadBytes or the largest frame.
//
// Thread safety: any thread, one call at a time, cursors included. It blocks, so it belongs on a lane.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "core/base/limits.h"
#include "core/journal/cursor.h"
#include "core/journal/directory.h"
#include "core/journal/format.h"
#include "core/journal/spare_pool.h"

namespace aspen::journal {

struct Options {
  // Salts are drawn from it: not for anybody to guess who can have records appended. Must be set.
  std::function<uint64_t()> random;
  // Of segments made from now on, but for a journal's first, which is at most kJournalZeroBytes; a multiple
  // of kSegmentHeaderBytes, and at least two of them.
  size_t segment_bytes = limits::kJournalSegmentBytes;
  size_t segments_max = limits::kJournalSegmentsMax;
  size_t spares_max = limits::kJournalSparesMax;
};

// Since it was opened.
struct Stats {
  uint64_t appends = 0;
  uint64_t records = 0;
  uint64_t bytes = 0;  // of frames, headers included
  uint64_t syncs = 0;  // of records
  uint64_t segments_started = 0;
  uint64_t segments_reclaimed = 0;
  // Found when it was opened.
  uint64_t frames_recovered = 0;  // in the last segment
  uint64_t bytes_rewritten = 0;   // not known to be durable
};

class Journal {
 public:
  // Creates the journal when `directory`, which outlives it, holds none. Errors: INVALID_ARGUMENT, CORRUPT,
  // UNSUPPORTED, IO.
  static Result<std::unique_ptr<Journal>> open(Directory& directory, Options options);
  ~Journal();

  // Returns the sequence of the last of `records`; they are in order and without gaps. Durable after the next
  // sync(). Errors: LIMIT_EXCEEDED for more than batch_bytes_max(); OVERLOADED, IO.
  // Requires: there is at least one.
  Result<uint64_t> append(std::span<const Record> records);
  // Makes all that was appended durable; nothing is done when it is. Errors: IO.
  Result<> sync();

  // The first record that is kept, or next_sequence() when there is none.
  uint64_t first_sequence() const { return segments_.front().first_sequence; }
  // That the next record gets.
  uint64_t next_sequence() const { return next_sequence_; }
  // Of the last record that is durable.
  uint64_t synced_sequence() const { return synced_sequence_; }
  // What the records of one append may take, with kRecordHeaderBytes for each and kFrameHeaderBytes.
  size_t batch_bytes_max() const;

  // The durable records from `sequence` on, of all users or of one; also those made durable later. Must not
  // outlive the journal.
  Cursor read(uint64_t sequence, std::optional<uint64_t> user = std::nullopt) const;

  // `user` needs the records from `sequence` on, and no others. Not remembered when the journal is closed.
  // Errors: LIMIT_EXCEEDED. Requires: not less than it said before.
  Result<> need(uint64_t user, uint64_t sequence);
  // `user` needs none.
  void leave(uint64_t user) { needs_.erase(user); }
  // Gives up the segments that no user needs; none while no user said what it needs. Errors: IO.
  // Requires: every user that has records has said what it needs, or has left, since the journal was opened.
  Result<> reclaim();

  // One slice of what is better done before it is needed: the mark after the last append, a spare segment.
  // Returns whether more is to be done. For when there is nothing else to do. Errors: IO.
  Result<bool> maintain();
  // Syncs, and marks the end, so that damage is told from a torn end. Without it, nothing is lost: the next
  // start is as after a crash.
  Result<> close();

  // Why it takes no more records; nothing while it does.
  const std::optional<Error>& failure() const { return poison_; }
  // The file that has the record. Requires: it was not given up.
  std::string file_of(uint64_t sequence) const;

  const Stats& stats() const { return stats_; }
  size_t segments() const { return segments_.size(); }
  size_t spares() const { return spares_.size(); }

 private:
  friend class Cursor;

  struct Segment {
    uint64_t number;
    uint64_t first_sequence;
  };
  // The last segment, which is appended to. Offsets: synced <= written <= end; what is between the last two
  // is in pending_.
  struct Active {
    std::unique_ptr<File> file;
    SegmentHeader header;
    uint64_t capacity = 0;
    uint64_t synced = 0;
    uint64_t written = 0;
    uint64_t end = 0;
    uint64_t proven = 0;       // the last frame, which may be a mark, says that so much is durable
    uint64_t records_end = 0;  // of the last frame with records
  };

  Journal(Directory& directory, Options options);

  // recovery.cc
  Result<> recover();
  Result<> recover_headers(const std::vector<std::string>& names);
  Result<> recover_tail();
  Result<> rewrite(uint64_t from, uint64_t to);

  Result<> check_alive() const;
  Result<> poison(Result<> result);
  Result<> roll();
  Result<> start_segment(SparePool::Spare spare);
  void encode_frame(std::span<const Record> records);
  Result<> mark();
  Result<> write_pending();
  Result<> sync_active();
  std::unexpected<Error> overloaded() const;
  // What a cursor may read.
  struct Extent {
    uint64_t bytes;         // of the file
    uint64_t end_sequence;  // after the last record
    bool sealed;
  };
  // Nothing when it was given up.
  Result<std::optional<Extent>> extent(uint64_t number, const File& file) const;
  // The number of the segment that has, or will have, the record. Requires: it was not given up.
  uint64_t segment_of(uint64_t sequence) const;

  Directory& directory_;
  Options options_;
  SparePool spares_;
  uint64_t journal_ = 0;  // the number that all segments carry
  uint32_t epoch_ = 1;
  uint64_t next_sequence_ = 1;
  uint64_t synced_sequence_ = 0;
  std::deque<Segment> segments_;  // never empty once open
  Active active_;
  Bytes pending_;
  std::map<uint64_t, uint64_t> needs_;
  std::optional<Error> poison_;
  Stats stats_;
};

}  // namespace aspen::journal
