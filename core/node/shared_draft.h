// A draft (kv/draft.h) that its callers' threads and the engine share: changes are made at once, reads and
// the commit are tasks of the engine.
//
// All reads are of the revision at which the first one was answered; one that was under way meanwhile, and
// was answered at another, asks again. A branch has its revision from the beginning, so that what it checks
// does not depend on when it first reads.
//
// Thread safety: any thread; tasks run on the engine's.
#pragma once

#include <memory>
#include <mutex>

#include "core/kv/draft.h"
#include "core/node/router.h"

namespace aspen::node {

class SharedDraft {
 public:
  // A transaction of its own.
  SharedDraft() : lock_(std::make_shared<std::mutex>()), draft_(std::make_shared<kv::Draft>()) {}
  // A branch: of the store, when `parent` is null. Errors: those of kv::Draft::branch.
  static Result<std::shared_ptr<SharedDraft>> branch(const std::shared_ptr<SharedDraft>& parent,
                                                     Bytes prefix);

  Result<> put(BytesView key, BytesView value, kv::LeaseId lease);
  Result<> erase(BytesView key);
  Result<> erase_range(BytesView start, BytesView end);
  // Forgets what was read and changed. Of a branch: INVALID_ARGUMENT, it is made anew.
  Result<> reset();

  // Gives a branch its revision, once.
  rt::Task<Result<uint64_t>> begin(rt::Cx& cx, Router& router);
  rt::Task<Result<kv::GetReply>> get(rt::Cx& cx, Router& router, Bytes key);
  rt::Task<Result<kv::RangeReply>> range(rt::Cx& cx, Router& router, kv::RangeRequest request);

  struct Committed {
    bool succeeded = false;
    uint64_t revision = 0;                            // of the commit; of what only read: the one it saw
    std::vector<kv::Draft::Conflict> conflicts = {};  // of a branch
  };
  // One that has succeeded is empty again; a branch is over, also for those that are branches of it. Into its
  // parent, if it has one. Errors: INVALID_ARGUMENT of what is over.
  rt::Task<Result<Committed>> commit(rt::Cx& cx, Router& router);

 private:
  SharedDraft(std::shared_ptr<std::mutex> lock, std::shared_ptr<kv::Draft> draft,
              std::shared_ptr<const SharedDraft> parent)
      : lock_(std::move(lock)), draft_(std::move(draft)), parent_(std::move(parent)), branch_(true) {}
  Result<> open() const;
  void end();
  Result<Committed> commit_into_parent();

  std::shared_ptr<std::mutex> lock_;  // of a branch and what it is a branch of, together
  std::shared_ptr<kv::Draft> draft_;
  const std::shared_ptr<const SharedDraft> parent_;
  const bool branch_ = false;
  bool over_ = false;
};

}  // namespace aspen::node
