// The logs of all groups of a node, in its one journal: written together, synced once, read again after a
// crash.
//
// Each group is a user of the journal; log_record.h says what its records are. What this class knows of a
// group is where its entries are (LogIndex), not the entries.
//
//   ASPEN_TRY(auto logs, LogJournal::open(directory, {.random = random}));
//   ASPEN_CHECK(logs->create(kGroup, fresh_peer));              // if it is not there
//   ASPEN_TRY(Durable durable, logs->load(kGroup));
//   ASPEN_CHECK(logs->write(batches));                          // of several groups: one sync
//
// After a crash each group's log is what it was after some of its writes, in order, those that were synced at
// least; of the last one a first part may be there: its hard state, its truncation, some of its entries.
//
// Retention. A group needs its entries, and its latest record with all that is not an entry (LogIndex). When
// the journal has more segments than twice what all logs take and kLogsDeadSegmentsMax, the log that needs
// the oldest record is written again at the end, so that a group in which nothing happens keeps nobody's
// records.
//
// Room. The journal writes into blocks that exist. The next segment is made when half of the last one is
// used; when that fails, for want of room on the disk, short_of_room() says so: the other half is left for
// votes and what is under way, and new commands are to be refused.
//
// Failure: a write that fails leaves open what the disk has, so every later one fails too; open again. Damage
// that verify() finds is reported and changes nothing.
//
// Thread safety: any thread; calls wait for each other. They block on the disk.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "core/journal/journal.h"
#include "core/raft/log_replay.h"

namespace aspen::raft {

// What is to be written of one group, in this order.
struct LogWrite {
  std::optional<HardState> hard_state = {};
  Index truncate_from = 0;  // not 0: the entries at and above it are removed
  std::vector<EntryPtr> entries = {};
  std::optional<SnapshotMeta> compact = {};  // the entries up to its index are removed
  std::optional<SnapshotMeta> reset = {};    // every entry is, and the log starts after its index
};

struct LogJournalOptions {
  std::function<uint64_t()> random;  // journal::Options
  size_t segment_bytes = limits::kJournalSegmentBytes;
};

class LogAppender;

class LogJournal {
 public:
  // Reads everything. Errors: CORRUPT, UNSUPPORTED, IO.
  static Result<std::unique_ptr<LogJournal>> open(journal::Directory& directory, LogJournalOptions options);
  ~LogJournal();

  std::vector<GroupId> groups() const;
  // Nothing when the journal has no such group.
  std::optional<PeerId> peer(GroupId group) const;
  // Begins the log of a group, durably. Requires: there is none.
  Result<> create(GroupId group, PeerId peer);
  // What is durable of its log. Requires, as of all that follow: the group is there. Errors: CORRUPT, IO.
  Result<Durable> load(GroupId group);

  struct Batch {
    GroupId group;
    std::vector<LogWrite> writes;
  };
  // In order, and durable when it returns. Errors: IO; OVERLOADED when the journal is full.
  Result<> write(std::span<const Batch> batches);

  // A slice of what is better done before it is needed; returns whether more is to be done. Errors: IO, when
  // the journal takes no more records.
  Result<bool> maintain();
  bool short_of_room() const { return short_of_room_; }

  // Reads about `bytes` on from where the last call stopped, from the beginning again after the end, and
  // compares each entry with its chain. Returns false at the end. Errors: CORRUPT naming the group, the entry
  // and the file; IO.
  Result<bool> verify(size_t bytes);

  journal::Stats stats() const;
  size_t segments() const;

 private:
  struct Group {
    LogIndex index;
    std::optional<Durable> recovered;  // read by open(), until it is asked for or out of date
  };
  // What verify() has still to look at.
  struct Verification {
    journal::Cursor cursor;
    RecordJoiner joiner;
    GroupId group = 0;  // of the last record
  };

  LogJournal(std::unique_ptr<journal::Journal> journal, size_t segment_bytes)
      : journal_(std::move(journal)), segment_bytes_(segment_bytes) {}
  Result<> recover();
  Result<LogReplay::Log> read(GroupId group) const;
  Result<> check_usable() const;
  Result<> or_stop(Result<> result);
  Result<> append(std::span<const Batch> batches);
  Result<> append(LogAppender& out, GroupId group, const LogWrite& write);
  Result<> release(std::span<const Batch> batches);
  Result<> move_slowest();
  Result<> copy_forward(GroupId group, LogIndex& moved);
  Result<> verify_record(const journal::Entry& record);
  Result<> check_entry(GroupId group, Index index, const RecordJoiner::Joined& joined) const;
  std::string file_of(uint64_t sequence) const { return journal_->file_of(sequence); }

  mutable std::mutex mutex_;
  std::unique_ptr<journal::Journal> journal_;
  const size_t segment_bytes_;
  std::map<GroupId, Group> groups_;
  std::optional<Verification> verification_;
  std::optional<Error> failure_;
  std::atomic<bool> short_of_room_{false};
};

}  // namespace aspen::raft
