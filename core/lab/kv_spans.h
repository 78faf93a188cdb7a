// Where in the log a key is known to have stayed as it was.
//
// Whoever was told the revision of a key's last put knows that nothing changed the key from there to the
// place of the answer. Two puts of successive versions have nothing between them, and a key that still has
// its creation's revision was not erased since. A write in doubt is in no such span of any key that it
// changes, nor in one of a key in its conditions where they do not hold. That leaves few places for most of
// them before anything is replayed.
//
//   put "a" -> 3     put "b" -> 4     get "a" -> at 3     an erase of "a" in doubt is not between these
//
// Views point into the history, which outlives it.
// Thread safety: none.
#pragma once

#include "core/lab/kv_evidence.h"

namespace aspen::lab {

class KvSpans {
 public:
  KvSpans(const History& history, const KvEvidence& evidence);

  // Whether the write in doubt may be just before the event of the slot.
  bool may_precede(size_t id, size_t slot) const { return !contradiction(id, slot, true); }
  // Whether it may be that event.
  bool may_be(size_t id, size_t slot) const { return !contradiction(id, slot, false); }
  // The key that it changes, or that fails its condition, though the key was not so there.
  std::optional<BytesView> contradiction(size_t id, size_t slot, bool before) const;

 private:
  // After the event of one slot and before that of another.
  struct Span {
    size_t after;
    size_t before;
  };
  struct Key {
    std::vector<size_t> changed;  // by what is acknowledged
    std::vector<Span> unchanged;
    std::vector<Span> unerased;
  };

  void collect(const KvEvent& event);
  void collect_versions();
  // The answer at this event shows the put of that revision as the key's last.
  void shown(const KvEvent& event, BytesView key, uint64_t revision);
  // None when an acknowledged change contradicts it: then one of the answers is wrong, and the replay finds
  // it.
  void add(const Key& key, std::vector<Span>& spans, uint64_t revision, size_t before) const;
  // The span in which the state just before the event of the slot is.
  static const Span* find(const std::vector<Span>& spans, size_t slot);
  std::optional<BytesView> value_at(BytesView key, size_t slot) const;
  bool fails(const Condition& condition, size_t slot) const;

  const History& history_;
  const KvEvidence& evidence_;
  std::map<uint64_t, size_t> slots_;  // of writes, by their revisions
  std::map<BytesView, Key> keys_;     // those that writes in doubt name
};

}  // namespace aspen::lab
