// Raft as a sans-I/O state machine: inputs and the time go in, effects come out.
//
// Written as the thesis is: leader election (3.4) with pre-vote (9.6), check-quorum and leader stickiness
// (6.2, 4.2.3), log replication (3.5) batched and pipelined (10.2), commitment of current-term entries only
// (3.6.2), joint consensus (4.3) with learners (4.2.1), linearizable reads by ReadIndex (6.4) with one
// confirmation round for all reads that wait, leadership transfer (3.10), snapshots (5).
//
// The driver's turn:
//
//   core.step(message, now); core.propose(...); core.tick(now); ...       any number of inputs
//   Effects e = core.take_effects();
//   send(e.messages);                       // may leave before the disk write: they promise nothing
//   write(e.hard_state, e.truncate_from, e.entries), sync;                // then, and only then:
//   send(e.messages_after_sync); core.synced(e.sync_token, now);
//   apply(e.committed) in order;            core.applied(index);
//
// Turns may overlap: the driver may take further effects while a write is in flight, as long as writes
// reach the disk in the order they were taken, and each one's messages_after_sync and synced() follow it.
//
// Invariants (asserted, and checked by the lab): at most one leader per term; entries at or below commit
// never change; a vote, an acknowledged entry or a new term leaves this core only after its sync; the
// leader counts itself for an entry only after its own sync; commit index never moves back.
//
// Thread safety: none; owned by one engine thread. Nothing here blocks, allocates without bound or reads
// a clock. The random election timeout comes from `Options::random`.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/raft/log.h"
#include "core/raft/types.h"

namespace aspen::raft {

struct Options {
  PeerId self = kNobody;
  DurationNs heartbeat = 50 * kMillisecond;
  // Elections start after a random time in [election, 2 * election) without a leader.
  DurationNs election = 300 * kMillisecond;
  size_t append_bytes_max = 0;      // 0: limits::kAppendBytesMax
  size_t appends_in_flight_max = 0;
  size_t proposals_bytes_max = 0;   // uncommitted bytes a leader accepts
  std::function<uint64_t()> random;
};

// What was on disk. A new log is empty with an empty config: such a core waits to be contacted, or is
// made the single voter of a new group by bootstrap().
struct Durable {
  HardState hard_state;
  SnapshotMeta snapshot;           // index 0: none
  std::vector<EntryPtr> entries;   // following the snapshot, contiguous
};

enum class Role : uint8_t { follower, pre_candidate, candidate, leader };

struct Effects {
  std::vector<Message> messages;
  std::vector<Message> messages_after_sync;
  std::optional<HardState> hard_state;
  Index truncate_from = 0;              // not 0: remove entries at and above it before writing `entries`
  std::vector<EntryPtr> entries;
  uint64_t sync_token = 0;              // not 0: something is to be synced; give it back to synced()
  std::vector<EntryPtr> committed;      // to apply, in order, each exactly once
  struct ReadReady { uint64_t id; Index index; };
  std::vector<ReadReady> reads_ready;   // serve read `id` once `index` is applied
  std::vector<uint64_t> reads_failed;   // not (or no longer) the leader
  std::vector<Index> proposals_dropped; // own proposals at these indexes were overwritten: not applied
  bool state_changed = false;           // role, term or leader changed: see status()
  bool empty() const;
};

struct Progress {
  Index match = 0;
  Index next = 1;
  bool active = false;     // heard from within the last election timeout
  bool snapshotting = false;
};

struct Status {
  PeerId self = kNobody;
  Role role = Role::follower;
  Term term = 0;
  PeerId leader = kNobody;
  Index commit = 0;
  Index applied = 0;
  Index first_index = 0;
  Index last_index = 0;
  Config config;
  std::map<PeerId, Progress> progress;  // on the leader, of the others
};

class Core {
 public:
  Core(Options options, Durable durable, Index applied, TimeNs now);
  ~Core();

  // Makes an empty core the only voter of a new group: a committed configuration at index 1. Requires: no
  // log, no term. The effects must be synced before anything else is promised.
  void bootstrap(const Member& self, WallNs wall, TimeNs now);

  void tick(TimeNs now);
  // When tick() next has something to do.
  TimeNs next_tick() const;

  // A message for this peer. A wrong `to`, or a kind the role cannot take, is ignored.
  void step(Message message, TimeNs now);

  // Appends commands on the leader and returns the index of the first; they commit later, or show up in
  // `proposals_dropped`. Errors: NOT_LEADER; OVERLOADED when uncommitted bytes are over the limit.
  Result<Index> propose(std::vector<Bytes> commands, WallNs wall, TimeNs now);
  // Starts a membership change to `members` (voters and learners with addresses): one entry when at most
  // one voter differs, else joint consensus, left automatically. Errors: NOT_LEADER; UNAVAILABLE while
  // another change is under way or before the leader's first entry is committed; INVALID_ARGUMENT for an
  // empty voter set, duplicates, or more than limits::kMembersMax.
  Result<Index> propose_config(std::vector<Member> members, WallNs wall, TimeNs now);
  // Asks for a linearizable read; answered by reads_ready or reads_failed with the same id.
  void read_index(uint64_t id, TimeNs now);
  // Hands leadership to `to` (kNobody: the most up-to-date voter). Proposals are refused meanwhile; gives
  // up after one election timeout. Errors: NOT_LEADER, NOT_FOUND.
  Result<> transfer_leadership(PeerId to, TimeNs now);

  void synced(uint64_t token, TimeNs now);
  void applied(Index index);
  // The driver has installed the snapshot offered by `message` (kind snapshot) durably: state machine and
  // log (cleared, starting after meta.index). Returns false when it is stale and must not be used.
  bool snapshot_wanted(const Message& offer) const;
  void snapshot_installed(const Message& offer, TimeNs now);
  // On the leader: sending a snapshot to `peer` ended.
  void snapshot_sent(PeerId peer, bool ok, TimeNs now);
  // Forgets entries up to `meta.index`, which the driver has made unnecessary (state flushed past them) and
  // removed from its log store.
  void compacted(const SnapshotMeta& meta);
  // The connection to `peer` was lost: probe again instead of assuming messages in flight arrive.
  void unreachable(PeerId peer);

  Effects take_effects();
  bool has_effects() const;
  Status status() const;
  Role role() const;
  Term term() const;
  PeerId leader() const;
  Index commit() const;
  const Config& config() const;
  // The term of an entry still in the log or of the snapshot; nullopt when it is gone.
  std::optional<Term> term_at(Index index) const;
  // What a snapshot taken after applying `index` has to say. Requires: index <= applied and in the log.
  SnapshotMeta snapshot_meta(Index index) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aspen::raft
