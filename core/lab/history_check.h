// Reads of earlier revisions, and whether what came is what was committed up to there.
//
// A read at R must see what the committed commands had made of the store at R, whichever member answers and
// whenever. It fails with COMPACTED only if a committed compaction is above R, naming one that is, and as not
// having happened only if a member could answer that has not come to R.
//
// Thread safety: none.
#pragma once

#include <variant>

#include "core/lab/committed_model.h"
#include "core/node/freshness.h"

namespace aspen::lab {

struct ReadStory {
  std::variant<kv::GetRequest, kv::RangeRequest> request;
  node::Freshness freshness = {};
  uint64_t acknowledged = 0;  // a revision that was told before it began
  // One of these, or none when its machine crashed.
  std::optional<kv::GetReply> got = {};
  std::optional<kv::RangeReply> page = {};
  std::optional<Error> error = {};
  uint64_t committed = 0;  // when it was answered, at most so much was
};

// What is wrong with it; empty: nothing.
std::string check_read(const ReadStory& story, const CommittedModel& committed);

// How the page differs from what it should be of these records, as far as it speaks of them; empty: it does
// not.
std::string compare_page(const kv::RangeRequest& request, const kv::RangeReply& page,
                         const kv::TestModel::State& records);

}  // namespace aspen::lab
