// Raft as a sans-I/O state machine: inputs and the time go in, effects come out.
//
// Written as the thesis is: leader election (3.4) with pre-vote (9.6), check-quorum and leader stickiness
// (6.2, 4.2.3), log replication (3.5) batched and pipelined (10.2), commitment of current-term entries only
// (3.6.2), joint consensus (4.3) with learners (4.2.1), linearizable reads by ReadIndex (6.4) with one
// confirmation round for all reads that wait, or by lease (6.4.1), at the leader or at any member;
// leadership transfer (3.10), snapshots (5).
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
// Within one Effects, handle proposals_dropped before committed: an index may be in both.
//
// Who votes: whoever is asked. A learner, or a peer that has no configuration yet, may not know that it has
// become a voter; the candidate counts only the voters of its own configuration (thesis 4.1, 4.2.1). Only a
// peer that knows itself a voter campaigns: in its newest configuration, or in an older one as long as the
// one that removes it may be uncommitted (4.2.2).
//
// Invariants (asserted, and checked by the lab): at most one leader per term; entries at or below commit
// never change; a vote, an acknowledged entry or a new term leaves this core only after its sync; the
// leader counts itself for an entry only after its own sync; an entry is handed out to apply only when it is
// committed and synced here, so applied state never runs ahead of this log; commit index never moves back.
//
// Thread safety: none; owned by one engine thread. Nothing here blocks, allocates without bound or reads
// a clock. The random election timeout comes from `Options::random`.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "core/raft/durability.h"
#include "core/raft/log.h"
#include "core/raft/membership.h"
#include "core/raft/progress.h"
#include "core/raft/types.h"

namespace aspen::raft {

struct Options {
  PeerId self = kNobody;
  DurationNs heartbeat = 50 * kMillisecond;
  // Elections start after a random time in [election, 2 * election) without a leader.
  DurationNs election = 300 * kMillisecond;
  size_t append_bytes_max = 0;             // 0: limits::kAppendBytesMax
  size_t appends_in_flight_max = 0;        // 0: limits::kAppendsInFlightMax
  size_t appends_in_flight_bytes_max = 0;  // 0: limits::kAppendsInFlightBytesMax
  // A follower that lacks so many committed entries has them from other members too; 0: kCatchUpEntries.
  Index catch_up_entries = 0;
  size_t proposals_bytes_max = 0;  // uncommitted bytes a leader accepts; 0: kProposalsQueuedBytesMax
  // Reads that ask nobody (core_lease.cc). Safe as long as no member's monotonic clock gains or loses more
  // than `clock_drift_ppm_max`; members without it make no promises, and a lease does not count on them.
  bool lease_reads = false;
  uint32_t clock_drift_ppm_max = 1000;
  std::function<uint64_t()> random;
};

// What was on disk. A new log is empty with an empty config: such a core waits to be contacted, or is
// made the single voter of a new group by bootstrap().
struct Durable {
  HardState hard_state;
  SnapshotMeta snapshot;          // index 0: none
  std::vector<EntryPtr> entries;  // following the snapshot, contiguous
};

enum class Role : uint8_t { follower, pre_candidate, candidate, leader };

struct Effects {
  std::vector<Message> messages;
  std::vector<Message> messages_after_sync;
  std::optional<HardState> hard_state;
  Index truncate_from = 0;  // not 0: remove entries at and above it before writing `entries`
  std::vector<EntryPtr> entries;
  uint64_t sync_token = 0;          // not 0: something is to be synced; give it back to synced()
  std::vector<EntryPtr> committed;  // to apply, in order, each exactly once
  struct ReadReady {
    uint64_t id;
    Index index;
  };
  std::vector<ReadReady> reads_ready;    // serve read `id` once `index` is applied
  std::vector<uint64_t> reads_failed;    // not (or no longer) the leader
  std::vector<Index> proposals_dropped;  // other entries were committed at these own proposals' indexes
  bool state_changed = false;            // role, term, leader or configuration changed: see status()
  bool empty() const;
};

struct Progress {
  Index match = 0;
  Index next = 1;
  bool active = false;  // heard from within the last election timeout
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

// What Core::encode_state says of entries and messages.
void encode_entry_state(wire::Writer& writer, const Entry& entry, const std::function<PeerId(PeerId)>& name);
void encode_message_state(wire::Writer& writer, const Message& message,
                          const std::function<PeerId(PeerId)>& name);

class Core {
 public:
  // `applied` is the state machine's. Requires: snapshot.index <= applied <= the last index (what was
  // applied had been synced here first; the driver refuses a disk that says otherwise as CORRUPT).
  Core(Options options, Durable durable, Index applied, TimeNs now);

  // Makes an empty core the only voter of a new group, with a configuration at index 1, and its leader as
  // soon as the effects are synced. Requires: no log, no term.
  void bootstrap(const Member& self, WallNs wall, TimeNs now);

  void tick(TimeNs now);
  // When tick() next has something to do.
  TimeNs next_tick() const;

  // A message for this peer. A wrong `to`, or a kind the role cannot take, is ignored.
  void step(Message message, TimeNs now);

  // Appends commands on the leader and returns the index of the first; they commit later, or show up in
  // `proposals_dropped` and never do. (Being truncated here decides nothing: another member may still have
  // them, be elected and commit them. After snapshot_installed() earlier proposals may have been committed or
  // not: the log that would tell is gone.) Errors: NOT_LEADER; UNAVAILABLE while leadership is handed over;
  // OVERLOADED when uncommitted bytes are over the limit; LIMIT_EXCEEDED for a command over kEntryBytesMax;
  // INVALID_ARGUMENT for none.
  Result<Index> propose(std::vector<Bytes> commands, WallNs wall, TimeNs now);
  // Starts a membership change to `members` (voters and learners with addresses): one entry when at most
  // one voter differs, else joint consensus, left automatically. Errors: NOT_LEADER; UNAVAILABLE while
  // another change is under way or before the leader's first entry is committed; INVALID_ARGUMENT for an
  // empty voter set, duplicates, or more than limits::kMembersMax.
  Result<Index> propose_config(std::vector<Member> members, WallNs wall, TimeNs now,
                               ChangeVia via = ChangeVia::least);
  // Asks for a linearizable read; answered by reads_ready or reads_failed with the same id.
  void read_index(uint64_t id, TimeNs now);
  // The same at any member: one that does not lead asks the leader for the index.
  void read_from_leader(uint64_t id, TimeNs now);
  // The index at which a read that came before `now` may be served, when this leader's lease covers it; else
  // nothing, and read_index() is the way. Requires: `now` was read from the clock after the read came.
  std::optional<Index> lease_read(TimeNs now);
  // When the lease ends by this member's clock; not after now: there is none.
  TimeNs lease_end() const;
  // Hands leadership to `to` (kNobody: the most up-to-date voter). Proposals are refused meanwhile; gives
  // up after one election timeout. Errors: NOT_LEADER, NOT_FOUND.
  Result<> transfer_leadership(PeerId to, TimeNs now);

  void synced(uint64_t token, TimeNs now);
  void applied(Index index);
  // Whether the snapshot offered by `offer` (kind snapshot, which is also given to step()) is to be fetched
  // and installed; false when it is stale and must not be used.
  bool snapshot_wanted(const Message& offer) const;
  // The driver has installed it durably: state machine and log (cleared, starting after meta.index). The
  // driver asks snapshot_wanted() again before it replaces anything, lets writes in flight end, and gives
  // this core no input in between: an append acknowledged meanwhile would be wiped with the old log.
  void snapshot_installed(const Message& offer, TimeNs now);
  // On the leader: sending a snapshot to `peer` ended, `ok` when the peer has said that it is installed. Has
  // to be called for every offer in `messages`, whose `snapshot` the driver replaces by the meta of the state
  // that it sends.
  void snapshot_sent(PeerId peer, bool ok, TimeNs now);
  // Forgets entries up to `meta.index`, which the driver has made unnecessary (state flushed past them) and
  // removed from its log store.
  void compacted(const SnapshotMeta& meta);
  // The connection to `peer` was lost: probe again instead of assuming messages in flight arrive.
  void unreachable(PeerId peer);

  Effects take_effects();
  // False when take_effects() would return nothing. True may also turn out to be nothing.
  bool has_effects() const;
  Status status() const;
  PeerId self() const { return options_.self; }
  Role role() const { return role_; }
  Term term() const { return hard_.term; }
  PeerId leader() const { return leader_; }
  Index commit() const { return commit_; }
  // It leads, and all that was committed under earlier leaders is applied here.
  bool reigns() const { return committed_in_term() && applied_ >= term_start_; }
  const Config& config() const { return configs_.current(); }
  // The newest that this peer knows to be committed; config() may yet be taken back.
  const Config& committed_config() const { return configs_.at(commit_); }
  const Log& log() const { return log_; }
  Index first_index() const { return log_.first_index(); }
  Index last_index() const { return log_.last_index(); }
  size_t log_size_bytes() const { return log_.size_bytes(); }
  // The term of an entry still in the log or of the snapshot; nullopt when it is gone.
  std::optional<Term> term_at(Index index) const { return log_.term_at(index); }
  // What a snapshot taken after applying `index` has to say. Requires: index <= applied and in the log.
  SnapshotMeta snapshot_meta(Index index) const;

  // Writes all that decides what this core does from `now` on, so that exhaustive exploration (core/lab) can
  // tell states apart: cores with the same text do the same. Peers appear as `name` calls them, which lets
  // states that differ only in who is who be one; times only as far as they are compared. Left out are the
  // random election timeouts: the explorer lets an election start at any time. Requires: effects were taken.
  void encode_state(wire::Writer& writer, TimeNs now, const std::function<PeerId(PeerId)>& name) const;

 private:
  struct Transfer {
    PeerId to;
    TimeNs deadline;
    bool sent;
  };
  struct Read {
    uint64_t id;
    Index index;
    uint64_t round;         // confirmed by this round or a later one; 0: waits for the term's first commit
    PeerId from = kNobody;  // who asked, and `id` is its number; nobody: our driver
  };
  struct Asked {
    uint64_t id;
    uint64_t number;  // by which the leader's answer names it
    TimeNs sent;
  };
  // What we lack, in parts that other members bring; the first follows our log.
  struct CatchUp {
    struct Part {
      PeerId helper;
      Index next;  // to come
      Index last;
      Term first_term = 0;                 // of the entry before `entries`
      std::vector<EntryPtr> entries = {};  // that wait for the parts before
    };
    std::deque<Part> parts = {};
    size_t bytes = 0;  // of what waits
    TimeNs progress;
  };
  struct SentRound {
    uint64_t round;
    TimeNs at;
  };
  struct Proposals {
    Term term;
    Index first;
    Index last;
  };
  struct Held {
    uint64_t token;
    Message message;
  };

  // core.cc
  void advance(TimeNs now);
  void send(Message message);
  bool promises(const Message& message) const;
  void set_state(Role role, PeerId leader);
  void append_entry(EntryPtr entry);
  void append_local(EntryKind kind, Bytes data, WallNs time);
  void collect_write(Effects& effects);
  void collect_promises(Effects& effects);
  void hold(Message message);

  // core_election.cc
  bool may_campaign() const;
  bool leader_is_fresh() const;
  TimeNs election_deadline() const { return timer_from_ + election_timeout_; }
  void restart_election_timer();
  void tick_follower();
  void start_pre_vote();
  void campaign(bool transfer);
  void request_votes(MessageKind kind, Term term, bool transfer);
  void count_votes();
  void become_follower(Term term, PeerId leader);
  void become_leader();
  bool step_newer_term(const Message& message);
  void step_older_term(const Message& message);
  void on_vote(const Message& message);
  void on_vote_reply(const Message& message);
  void on_timeout_now();
  void advance_transfer();

  // core_replication.cc
  bool heard_from_leader(const Message& message);
  void on_append(const Message& message);
  void on_append_reply(const Message& message);
  void on_heartbeat(const Message& message);
  void on_heartbeat_reply(const Message& message);
  void tick_leader();
  bool quorum_is_active() const;
  void replicate_all();
  void replicate(PeerId peer, FollowerProgress& follower);
  bool send_append(PeerId peer, FollowerProgress& follower);
  void send_heartbeat(PeerId peer, FollowerProgress& follower);
  void advance_commit();
  Config committee() const;
  void commit_to(Index index);
  void truncate_from(Index index);
  void remember_proposals(Index first);
  void settle_proposals();

  FollowerProgress::Window window() const;
  bool append_new(const std::vector<EntryPtr>& entries);

  // core_catch_up.cc
  void begin_catch_up(Index agreed, Index leader_commit);
  void on_fetch(const Message& message);
  void on_fetched(const Message& message);
  void put_together();
  void end_catch_up();
  void fetch(const CatchUp::Part& part);

  // core_read.cc
  bool committed_in_term() const { return role_ == Role::leader && commit_ >= term_start_; }
  void admit_reads();
  void start_read_round();
  void confirm_reads();
  void fail_reads();
  void add_read(Read read);
  void ask_leader(Asked& asked);
  void ask_leader_again();
  void fail_asked();
  void on_read_index(const Message& message);
  void on_read_index_reply(const Message& message);

  // core_lease.cc
  bool promised(const Message& message) const;
  void promise(Message& reply);
  void remember_round();
  void extend_lease(FollowerProgress& follower, const Message& reply) const;

  // core_member.cc
  void config_changed();
  void config_committed();
  void leave_leadership();

  // core_snapshot.cc
  void offer_snapshot(PeerId peer, FollowerProgress& follower);
  void on_snapshot_offer(const Message& message);

  Options options_;
  Log log_;
  ConfigHistory configs_;
  Durability disk_;
  HardState hard_;
  Role role_ = Role::follower;
  PeerId leader_ = kNobody;
  Index commit_;
  Index handed_out_;  // entries up to here were given out as committed
  Index applied_;

  TimeNs now_;
  TimeNs timer_from_;
  DurationNs election_timeout_ = 0;
  std::map<PeerId, bool> votes_;  // of the running (pre-)election
  TimeNs promised_until_ = 0;     // we vote for nobody before, unless the leader itself wants a successor
  std::optional<CatchUp> catch_up_;
  TimeNs catch_up_after_ = 0;  // one that failed is not tried again before
  std::deque<Asked> asked_;    // reads that wait for the leader's answer
  uint64_t asked_newest_ = 0;  // the first is random

  // The leader's.
  std::map<PeerId, FollowerProgress> followers_;
  TimeNs heartbeat_due_ = kNever;
  Index term_start_ = 0;  // its noop: until this is committed, it does not know what is
  std::optional<Transfer> transfer_;
  size_t uncommitted_bytes_ = 0;
  std::deque<Read> reads_;  // rounds never decrease
  uint64_t round_ = 0;      // newest read round sent, never reused
  std::deque<SentRound> sent_rounds_;
  bool handed_over_ = false;    // in this term somebody was told to campaign: no lease any more
  bool replicate_due_ = false;  // followers may have something to get when effects are taken

  std::deque<Proposals> own_proposals_;  // not known to be committed or not; outlives leadership

  Effects out_;                    // what take_effects() returns next
  std::vector<Message> promises_;  // leave only after what is unwritten now is synced
  std::deque<Held> held_;          // promises that wait for a write in flight
};

}  // namespace aspen::raft
