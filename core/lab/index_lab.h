// Indexes in the lab: they are created, dropped and scanned while clients write, and must always say what the
// records say.
//
// A scan's reply names the revision that it saw. The records are then read at that revision, which the store
// keeps, and the extractor says what entries there should have been, page by page: that is the index at
// exactly one moment against the store at the same one. That the moment is not too early is checked with the
// writes that had been acknowledged when the scan began. At the end every member's own index is compared with
// its own records.
//
// Thread safety: none.
#pragma once

#include <memory>

#include "core/kv/index_read.h"
#include "core/lab/cluster.h"

namespace aspen::lab {

// Puts, erasures and transactions of small documents, most of them under the indexes' prefixes.
std::unique_ptr<Script> document_script(uint64_t client);

// Somebody creates an index, drops one, or scans one and checks what came.
void use_indexes(World& world, Cluster& cluster, Random& random);
// Waits until every index is built, and checks what every member has in it. Requires: settled.
void check_indexes(World& world, Cluster& cluster);

struct IndexPlan {
  Bytes name;
  Bytes prefix;
  Bytes extractor;
};
// How the page differs from what the records, all those with the prefix, say; empty: it does not.
std::string compare_page(const IndexPlan& plan, const kv::IndexScanRequest& request,
                         const kv::IndexScanReply& page, const std::vector<kv::KeyRecord>& records);

}  // namespace aspen::lab
