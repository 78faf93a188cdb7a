// Reads of earlier revisions while others write and the history is compacted.
//
// Visitors carry out random transactions, which nest, with compares of all kinds and results of every
// operation; read keys and ranges at a revision, one that is kept, one that is not, or one to come; and
// compact. The cluster's own policy compacts too. In the end all that they were told is compared with what
// the log says (history_check.h, committed_model.h).
//
// Thread safety: none.
#pragma once

#include "core/kv/test_programs.h"
#include "core/lab/history_check.h"
#include "core/lab/model_load.h"

namespace aspen::lab {

class HistoryLoad final : public ModelLoad {
 public:
  // Requires: the cluster is not formed. It outlives this.
  HistoryLoad(World& world, Cluster& cluster);

  void visit(Random& random) override;

 private:
  void change(Random& random);
  void read(Random& random);
  void compact(Random& random);
  uint64_t any_revision(Random& random);
  rt::Task<Result<>> read_at(rt::Cx& cx, Visit visit, uint64_t revision, node::Freshness freshness);
  rt::Task<Result<>> read_once(rt::Cx& cx, Visit& visit, ReadStory& story);
  std::string check() override;

  kv::TestPrograms programs_;
  std::deque<ReadStory> reads_;
};

}  // namespace aspen::lab
