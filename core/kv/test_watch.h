// For tests of watches: a store's past, made of texts.
#pragma once

#include <fmt/format.h>

#include "core/kv/watch_hub.h"

namespace aspen::kv {

// Keys of one letter, without values: each costs the same.
inline constexpr size_t kEventCost = limits::kWatchEventOverheadBytes + 1;

inline WatchRequest single(BytesView key) {
  return {.start = Bytes(key), .end = Bytes(key) + '\0'};
}

struct TestSource final : ChangeSource {
  // A change set at the next revision: "+a-b" puts a and erases b.
  void append(const std::string& what) {
    auto set = std::make_shared<ChangeSet>();
    set->revision = ++head;
    for (size_t i = 0; i + 1 < what.size(); i += 2) {
      Event event{.kind = what[i] == '+' ? Event::Kind::put : Event::Kind::erase,
                  .key = what.substr(i + 1, 1)};
      if (event.kind == Event::Kind::put) event.record = Record{.mod_revision = head};
      set->events.push_back(std::move(event));
    }
    sets.push_back(std::move(set));
  }

  Result<Page> changes(uint64_t from, uint64_t to, size_t bytes_max) override {
    if (from < compacted_revision) {
      return fail(Code::COMPACTED, "revision {}: the store was compacted to {}", from, compacted_revision);
    }
    ++reads;
    Page page{.until = to};
    size_t bytes = 0;
    for (const ChangeSetPtr& set : sets) {
      if (set->revision < from) continue;
      if (set->revision > to) break;
      if (bytes >= bytes_max) {
        page.until = page.sets.back()->revision;
        break;
      }
      page.sets.push_back(set);
      for (const Event& event : set->events) bytes += cost(event, true);
    }
    return page;
  }
  uint64_t compacted() const override { return compacted_revision; }

  std::vector<ChangeSetPtr> sets;
  uint64_t head = 0;
  uint64_t compacted_revision = 0;
  size_t reads = 0;
};

}  // namespace aspen::kv
