// The store's state while the log is replayed: does each event agree with what came before it, and if not,
// which write in doubt would mend that?
//
//   KvReplay replay(history, evidence);
//   while (auto mismatch = replay.apply(events[replay.at()])) { ... }
//   replay.rewind(5);       // as it was before the sixth event
//
// Every change is remembered with what was there before, so that going back costs what is undone.
//
// Views point into the history, which outlives it.
// Thread safety: none.
#pragma once

#include "core/lab/kv_evidence.h"

namespace aspen::lab {

// A hidden write that would mend a mismatch: one that does this to the key, at an event after `after`.
struct KvWanted {
  enum class What : uint8_t { nothing, erase, put } what = What::nothing;
  BytesView key = {};
  std::optional<BytesView> value = {};
  size_t after = 0;    // as a count of events from the start
  uint64_t count = 1;  // so many such writes are needed
};

struct KvMismatch {
  BytesView key = {};
  std::string text;
  std::vector<KvWanted> wanted = {};  // any of them would do
};

bool in_range(const kv::RangeRequest& request, BytesView key);

class KvReplay {
 public:
  KvReplay(const History& history, const KvEvidence& evidence) : history_(history), evidence_(evidence) {}

  // Events applied by now.
  size_t at() const { return at_; }
  // The next event. After a mismatch it is the next one still, and is applied only after a rewind.
  // Requires: it is decided which operation the event is.
  std::optional<KvMismatch> apply(const KvEvent& event);
  // Undoes the events from this one on, and what the event that did not fit left.
  void rewind(size_t at);

 private:
  using Mismatch = KvMismatch;
  using Wanted = KvWanted;

  struct Cell {
    BytesView value;
    uint64_t create_revision = 0;
    uint64_t mod_revision = 0;
    uint64_t version = 0;
    size_t counted = 0;  // events up to the last put of which the version is known

    bool is(const kv::Record& record, bool with_value) const;
  };
  // What an event did to a key: how it was before.
  struct Undo {
    size_t at = 0;
    BytesView key = {};
    size_t touched = 0;
    bool changed = false;
    Cell cell = {};  // when changed; version 0: there was none
  };

  std::optional<Mismatch> applied(const KvEvent& event);
  std::optional<Mismatch> condition(const Condition& condition) const;
  std::optional<Mismatch> conditions(const Operation::Write& write, const KvEvent& event);
  std::optional<Mismatch> failed(const Operation::Write& write);
  std::optional<Mismatch> results(const Operation::Write& write) const;
  std::optional<Mismatch> lives(const Operation::Write& write, const KvEvent& event) const;
  std::optional<Mismatch> observe(BytesView key, const kv::Record* record, bool with_value);
  std::optional<Mismatch> observe(const Operation::Range& range);
  std::optional<Mismatch> anything_left(const kv::RangeRequest& request, BytesView last) const;
  Mismatch mismatch(BytesView key, std::string_view expected, Wanted::What wanted = Wanted::What::nothing,
                    std::optional<BytesView> value = {}) const;

  const Cell* find(BytesView key) const;
  std::string shown(BytesView key) const;
  void change(const Operation::Write& write, const KvEvent& event);
  void touch(BytesView key);
  size_t touched(BytesView key) const;
  // What was seen of the key's put at the event.
  const KvEvidence::Seen* life(BytesView key, const KvEvent& event) const {
    return event.kind == KvEvent::Kind::hidden ? nullptr : evidence_.life(event.revision, key);
  }

  const History& history_;
  const KvEvidence& evidence_;
  size_t at_ = 0;
  std::map<BytesView, Cell> cells_;
  std::vector<Undo> trail_;
  std::map<BytesView, size_t> touched_;  // after how many events a key was last known
};

}  // namespace aspen::lab
