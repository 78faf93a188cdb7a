// Tells watchers what changed in the ranges they watch: every change once, in order, whole revisions.
//
// Watchers differ in speed, and a fast one must not pay for a slow one, nor a put for watchers of other keys.
// So a watcher is in one of two states:
//
//   at the front    it was sent everything up to the newest revision. A new change finds its watchers by key
//                   (a hash for single keys, IntervalIndex for ranges); the others are not looked at.
//   behind          it has a position of its own, and is served from the ring of recent change sets, or from
//                   the store when the ring does not reach back so far, as its credit allows. It takes no
//                   memory for what it was not sent, and loses nothing until compaction passes its position:
//                   then it ends with COMPACTED, unless the ring still has what it needs.
//
// Who asks for a revision that is compacted gets COMPACTED, whatever the ring has. A watcher begins behind
// when it asks for the past, and falls behind when it has used up its credit, which is in bytes (cost()). One
// event may overdraw it, so that any event fits.
//
//   hub.publish(machine.take_changes(), machine.applied());  // after each apply()
//   while (hub.catch_up(source)) ...                         // a bounded step each; let others run between
//   hub.tick(now);                                           // progress marks
//   for (WatchOutput& output : hub.take_outputs()) ...       // to whom it belongs
//
// Invariants: to each watcher the fragments go by ascending revision, each event at most once, none left out
// between the first revision asked for and what a mark says; a revision's last fragment is marked, and
// nothing of another revision comes before it. Events of a change set are in ascending order of their keys,
// live as from the store, so that a revision can be taken up in the middle. Thread safety: none; the engine
// thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/base/limits.h"
#include "core/base/time.h"
#include "core/kv/change.h"
#include "core/kv/interval_index.h"

namespace aspen::kv {

using ChangeSetPtr = std::shared_ptr<const ChangeSet>;

struct WatchRequest {
  Bytes start = {};             // the first key that is watched
  Bytes end = {};               // the first that is not; empty: no end. One key: the key and a zero byte
  uint64_t first_revision = 0;  // 0: what comes from now on. One that has not happened yet is waited for
  bool previous = false;        // events bring the record that was there before
  bool skip_puts = false;
  bool skip_erases = false;
  DurationNs progress_every = 0;  // a mark in this time, if there is something new to say; 0: none

  bool matches(const Event& event) const;
  bool operator==(const WatchRequest&) const = default;
};

// Errors: INVALID_ARGUMENT, LIMIT_EXCEEDED.
Result<> validate(const WatchRequest& request);

// What an event takes of a watcher's credit.
size_t cost(const Event& event, bool previous);

// Events of one revision that are for a watcher.
struct WatchFragment {
  ChangeSetPtr changes;
  std::vector<uint32_t> events;  // which of them
  bool last = false;             // the revision is complete with it
};

struct WatchOutput {
  uint64_t watcher = 0;
  enum class Kind : uint8_t { events, progress, ended } kind = Kind::events;
  std::vector<WatchFragment> fragments = {};
  bool previous = false;  // of events: as the watcher asked
  uint64_t revision =
      0;  // of progress: everything up to it was sent; of ended: the compacted one, if it was that
  std::optional<Error> error = {};
};

// The store's past, as a watcher needs it.
class ChangeSource {
 public:
  struct Page {
    std::vector<ChangeSetPtr> sets = {};  // by ascending revision
    uint64_t until = 0;                   // nothing is left out up to here
  };
  virtual ~ChangeSource() = default;
  // The change sets from revision `from` on, at most `to`, of about `bytes_max`, but at least one if there is
  // one. Errors: COMPACTED; of the disk.
  virtual Result<Page> changes(uint64_t from, uint64_t to, size_t bytes_max) = 0;
  virtual uint64_t compacted() const = 0;
};

struct WatchHubOptions {
  size_t watchers_max = limits::kWatchersMax;
  size_t ring_bytes_max = limits::kWatchRingBytes;
  size_t page_bytes = limits::kWatchPageBytes;    // read from the store in one step
  size_t batch_bytes = limits::kWatchBatchBytes;  // an output is full when it has so many
  size_t step_events = limits::kWatchStepEvents;  // looked at in the ring in one step
};

class WatchHub {
 public:
  explicit WatchHub(uint64_t applied, WatchHubOptions options = {});
  ~WatchHub();

  // Returns the first revision that the watcher will be told of. Requires: `id` is new, the request valid.
  // Errors: OVERLOADED.
  Result<uint64_t> add(uint64_t id, WatchRequest request, size_t credit, TimeNs now);
  // Nothing comes for it any more; outputs that were not taken are dropped.
  void remove(uint64_t id);
  // The watcher is told why it ends.
  void end(uint64_t id, Error error);
  // At most limits::kWatchCreditMax stands at a time; more has no effect.
  void add_credit(uint64_t id, size_t bytes);
  // Whose events have nowhere to go is held: as if it had no credit.
  void hold(uint64_t id, bool held);
  // A mark as soon as the watcher has caught up and has credit, also when it says nothing new.
  void ask_progress(uint64_t id);
  size_t size() const { return watchers_.size(); }
  size_t behind() const { return behind_; }
  // Everything up to here was published.
  uint64_t head() const { return head_; }

  // The change sets of the revisions that were applied up to `applied`, from the last call on.
  void publish(std::span<const ChangeSetPtr> sets, uint64_t applied);
  // The state was replaced by one that has applied so much.
  void replaced(uint64_t applied);
  // Serves one watcher that is behind and has credit, a bounded step. False when there is none (left).
  bool catch_up(ChangeSource& source);
  void tick(TimeNs now);
  // When tick() next has something to do; kNever: nothing.
  TimeNs next_tick() const;

  std::vector<WatchOutput> take_outputs();

 private:
  struct Watcher {
    uint64_t id = 0;
    WatchRequest request;
    // The first revision it was not sent all of; at the front no later than that, but for one in the future.
    uint64_t next = 0;
    uint32_t skip = 0;  // events of that revision that it was sent, or that are not for it
    bool fresh = true;  // has not been looked at
    bool front = false;
    bool queued = false;  // in queue_
    bool asked = false;   // for a mark
    bool held = false;
    int64_t credit = 0;
    uint64_t told = 0;  // of the last mark, or the last revision that was sent whole
    TimeNs mark_at = kNever;
    size_t output = 0;  // where in outputs_ its latest batch is, if `round` is the current one
    size_t output_bytes = 0;
    uint64_t round = 0;
    bool may_have() const { return credit > 0 && !held; }
  };
  // Where events come from in one step of catching up.
  struct Step {
    std::vector<ChangeSetPtr> sets;
    uint64_t until = 0;
  };

  void index(Watcher& watcher);
  void unindex(Watcher& watcher);
  // Sends what is for it of the set, from watcher.skip on. False when credit ran out: the position says
  // where.
  bool send(Watcher& watcher, const ChangeSetPtr& set, std::span<const uint32_t> events);
  WatchOutput& batch_for(Watcher& watcher);
  void deliver(const ChangeSetPtr& set);
  void fall_behind(Watcher& watcher);
  void reach_front(Watcher& watcher);
  // It may have more than before.
  void wake(Watcher& watcher);
  void enqueue(Watcher& watcher);
  void mark(Watcher& watcher);
  void end(Watcher& watcher, Error error, uint64_t revision);
  void remember(const ChangeSetPtr& set);
  Step from_ring(uint64_t from) const;
  Result<const Step*> from_store(ChangeSource& source, uint64_t from);
  void step(Watcher& watcher, ChangeSource& source);

  const WatchHubOptions options_;
  uint64_t head_;
  std::deque<ChangeSetPtr> ring_;  // all sets of the revisions in (ring_floor_, head_]
  uint64_t ring_floor_;
  size_t ring_bytes_ = 0;
  Step page_;  // the last one read from the store, for others at the same place
  uint64_t page_from_ = 0;

  std::unordered_map<uint64_t, Watcher> watchers_;
  std::unordered_map<Bytes, std::set<uint64_t>> singles_;
  IntervalIndex ranges_;
  size_t behind_ = 0;
  std::deque<uint64_t> queue_;  // behind, with credit; each once
  std::set<std::pair<TimeNs, uint64_t>> marks_;
  std::vector<WatchOutput> outputs_;
  uint64_t round_ = 1;
};

}  // namespace aspen::kv
