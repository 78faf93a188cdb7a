// What a watcher was told, against what was committed: all of it from where it began, once, in the order of
// the revisions, and each revision whole. What it was told may end with COMPACTED and go on later, but only
// where the store was compacted to.
//
// Thread safety: none needed; functions.
#pragma once

#include <string>

#include "core/kv/watch_hub.h"
#include "core/lab/committed_changes.h"

namespace aspen::lab {

struct WatchStory {
  struct Told {
    uint64_t revision = 0;
    std::vector<kv::Event> events = {};  // empty: a mark
    bool compacted = false;              // it ended, and could go on from this revision
  };
  kv::WatchRequest request = {};
  uint64_t first = 0;  // what was committed from here on had to be told
  std::vector<Told> told = {};
};

// What is wrong with it; empty: nothing, except that something may not have been told yet.
std::string check_told(const WatchStory& story, const CommittedChanges& committed);
// The first revision from `next` on that it has to be told of; 0: none.
uint64_t next_to_tell(const kv::WatchRequest& request, uint64_t next, const CommittedChanges& committed);

}  // namespace aspen::lab
