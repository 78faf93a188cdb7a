// Drafts, branches and branches of branches, as their users see them.
//
// Visitors read keys, also absent ones, and ranges of a draft, put and erase in it, begin branches, change
// what they branched from meanwhile, and commit or discard each; others write the same keys without drafts. A
// branch that is committed into another one is judged at once, all else in the end, by the log
// (draft_check.h).
//
// Thread safety: none.
#pragma once

#include "core/lab/draft_check.h"
#include "core/lab/history_check.h"
#include "core/lab/model_load.h"

namespace aspen::lab {

class DraftLoad final : public ModelLoad {
 public:
  // Requires: the cluster is not formed. It outlives this.
  DraftLoad(World& world, Cluster& cluster) : ModelLoad(world, cluster, "drafts") {}

  void visit(Random& random) override;

 private:
  // A draft in use.
  struct Use {
    std::shared_ptr<node::SharedDraft> draft;
    DraftStory* story;
    Use* parent = nullptr;
    size_t began_after = 0;  // so many changes of the parent
    std::vector<Conflict> changed = {};

    void take(const Staged& step) {
      story->staged.add(step);
      std::ranges::copy(step.ranges(), std::back_inserter(changed));
    }
  };

  void write_beside(Random& random);
  DraftStory& begin_story(bool branch);
  rt::Task<Result<>> transact(rt::Cx& cx, Visit visit);
  rt::Task<Result<>> branch(rt::Cx& cx, Visit visit);
  rt::Task<Result<>> branch_of(rt::Cx& cx, Visit& visit, Use& parent, size_t depth);
  rt::Task<Result<>> work(rt::Cx& cx, Visit& visit, Use& use, size_t depth);
  rt::Task<Result<>> get(rt::Cx& cx, const Visit& visit, Use& use, Bytes key);
  rt::Task<Result<>> get_two(rt::Cx& cx, Visit& visit, Use& use);
  rt::Task<Result<>> range(rt::Cx& cx, Visit& visit, Use& use);
  static Staged staged_by(const Use& use);
  void told(const Visit& visit, DraftStory& story, DraftStory::Read read);
  Result<> failed(const DraftStory& story, kv::RangeRequest request, const Error& error);
  void change(Random& random, Use& use);
  rt::Task<Result<>> commit_into_parent(rt::Cx& cx, const Visit& visit, Use& use);
  rt::Task<Result<>> commit(rt::Cx& cx, const Visit& visit, Use& use);
  std::string check() override;

  std::deque<DraftStory> drafts_;
  std::deque<ReadStory> failures_;  // reads of drafts
  uint64_t values_ = 0;             // each is one of a kind
};

}  // namespace aspen::lab
