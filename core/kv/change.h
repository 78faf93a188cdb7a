// What a revision did to the store, as those who watch it are told.
//
// A revision that changed something has one change set, with one event for every key it changed: what the key
// was before and is after. Keys that a transaction made and erased again are not in it.
#pragma once

#include <optional>
#include <vector>

#include "core/kv/types.h"

namespace aspen::kv {

struct Event {
  enum class Kind : uint8_t { put = 1, erase = 2 } kind = Kind::put;
  Bytes key = {};
  std::optional<Record> record = {};  // of a put
  // As it was before; none when it was absent, or when compaction has passed this revision.
  std::optional<Record> previous = {};

  bool operator==(const Event&) const = default;
};

struct ChangeSet {
  uint64_t revision = 0;
  std::vector<Event> events = {};  // by ascending key

  bool operator==(const ChangeSet&) const = default;
};

// All changes of the revisions above `after` and up to `upto`: one of them that has no set changed nothing.
struct Changes {
  uint64_t after = 0;
  uint64_t upto = 0;
  std::vector<ChangeSet> sets = {};  // by ascending revision
};

}  // namespace aspen::kv
