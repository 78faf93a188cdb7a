// What a history says about the log before anything is replayed: which operation is at which revision, what
// was seen of each revision, and by when an operation must have begun to be there.
//
// How many puts a key had had since its creation, its version, is told by reads only. But a put tells which
// put it found, so what is known of one put is known of all in such a chain.
//
// Views point into the history, which outlives it.
// Thread safety: none.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/lab/history.h"

namespace aspen::lab {

inline constexpr size_t kNoOperation = SIZE_MAX;

// One place of the log's order.
struct KvEvent {
  enum class Kind : uint8_t {
    write,  // acknowledged
    found,  // a revision that was seen, of a write in doubt; which one may not be decided yet
    read,
    hidden,  // a write in doubt of which no revision was seen; assumed here
  } kind = Kind::write;
  uint64_t revision = 0;  // 0 when hidden
  size_t id = kNoOperation;
  // Whatever is placed at or before this event began before this number.
  uint64_t began_before = kStillOpen;
  // Of what is in KvEvidence::events() the index; of a hidden write that of the next event there.
  size_t slot = 0;
};

struct KvFault {
  std::string rule;
  std::string text;
};

class KvEvidence {
 public:
  // What the answers show of one key's put at one revision.
  struct Seen {
    std::optional<BytesView> value;
    std::optional<uint64_t> create_revision;
    uint64_t version = 0;  // known with the create revision
    size_t by = kNoOperation;
  };
  using SeenKeys = std::map<BytesView, Seen>;

  explicit KvEvidence(const History& history);

  // In the order of the log: all that returned, and the revisions found.
  const std::vector<KvEvent>& events() const { return events_; }
  // Writes in doubt by the keys that they change, each in the order of their invocations.
  const std::map<BytesView, std::vector<size_t>>& in_doubt() const { return in_doubt_; }
  // Null when nothing was seen of it.
  const SeenKeys* seen(uint64_t revision) const;
  // Two commands at one revision, or an order that contradicts real time.
  std::optional<KvFault> fault() const;
  // A read that was to see what was acknowledged so long before, and did not.
  std::optional<KvFault> too_old() const;
  // What was seen of the key's put at that revision, if its creation and version are known. Or null.
  const Seen* life(uint64_t revision, BytesView key) const;
  // Whether the write puts all that was seen of the revision.
  bool explains(size_t id, const SeenKeys& seen) const;

 private:
  void collect(size_t id, const Operation::Write& write);
  void see(size_t id, BytesView key, const kv::Record& record, bool with_value);
  void see(size_t id, BytesView key, uint64_t revision, const Seen& what);
  void order();
  void count_puts();

  const History& history_;
  std::vector<KvEvent> events_;
  std::map<uint64_t, SeenKeys> seen_;
  std::map<BytesView, std::vector<size_t>> in_doubt_;
};

}  // namespace aspen::lab
