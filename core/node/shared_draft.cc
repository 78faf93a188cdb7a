#include "core/node/shared_draft.h"

#include "core/base/mutant.h"

namespace aspen::node {

Result<std::shared_ptr<SharedDraft>> SharedDraft::branch(const std::shared_ptr<SharedDraft>& parent,
                                                         Bytes prefix) {
  if (!parent) {
    auto draft = std::make_shared<kv::Draft>(std::move(prefix));
    return std::shared_ptr<SharedDraft>(
        new SharedDraft(std::make_shared<std::mutex>(), std::move(draft), nullptr));
  }
  std::lock_guard lock(*parent->lock_);
  ASPEN_CHECK(parent->open());
  if (!parent->branch_)
    return fail(Code::INVALID_ARGUMENT, "only a branch can have branches, a transaction cannot");
  ASPEN_TRY(kv::Draft draft, kv::Draft::branch(parent->draft_, std::move(prefix)));
  return std::shared_ptr<SharedDraft>(
      new SharedDraft(parent->lock_, std::make_shared<kv::Draft>(std::move(draft)), parent));
}

Result<> SharedDraft::open() const {
  if (over_) return fail(Code::INVALID_ARGUMENT, "the branch has been committed; make another");
  for (const SharedDraft* above = parent_.get(); above != nullptr; above = above->parent_.get()) {
    if (!above->over_ || ASPEN_MUTANT("node-branch-of-one-that-is-over")) continue;
    return fail(Code::INVALID_ARGUMENT, "what it is a branch of has been committed; make another");
  }
  return {};
}

// It has succeeded.
void SharedDraft::end() {
  if (branch_) {
    over_ = true;
  } else {
    *draft_ = kv::Draft();
  }
}

Result<> SharedDraft::put(BytesView key, BytesView value, kv::LeaseId lease) {
  std::lock_guard lock(*lock_);
  ASPEN_CHECK(open());
  return draft_->put(key, value, lease);
}

Result<> SharedDraft::erase(BytesView key) {
  std::lock_guard lock(*lock_);
  ASPEN_CHECK(open());
  return draft_->erase(key);
}

Result<> SharedDraft::erase_range(BytesView start, BytesView end) {
  std::lock_guard lock(*lock_);
  ASPEN_CHECK(open());
  return draft_->erase_range(start, end);
}

Result<> SharedDraft::reset() {
  std::lock_guard lock(*lock_);
  if (branch_) return fail(Code::INVALID_ARGUMENT, "a branch cannot be reset; make another");
  *draft_ = kv::Draft();
  return {};
}

rt::Task<Result<uint64_t>> SharedDraft::begin(rt::Cx& cx, Router& router) {
  {
    std::lock_guard lock(*lock_);
    if (draft_->revision() != 0) co_return draft_->revision();
  }
  // Any key will do: what is wanted is how far the store has come.
  ASPEN_CO_TRY(kv::GetReply reply, co_await router.get(cx, {.key = Bytes(1, '\0')}));
  std::lock_guard lock(*lock_);
  draft_->began(reply.revision);
  co_return draft_->revision();
}

rt::Task<Result<kv::GetReply>> SharedDraft::get(rt::Cx& cx, Router& router, Bytes key) {
  kv::GetRequest request{.key = std::move(key)};
  {
    std::lock_guard lock(*lock_);
    ASPEN_CO_CHECK(open());
    ASPEN_CO_TRY(kv::Draft::Found found, draft_->get(request.key));
    request.revision = draft_->revision();
    if (found.here) co_return kv::GetReply{std::move(found.record), request.revision};
  }
  for (;;) {
    ASPEN_CO_TRY(kv::GetReply reply, co_await router.get(cx, request));
    std::lock_guard lock(*lock_);
    if (request.revision == 0) draft_->began(reply.revision);
    if (request.revision == 0 && draft_->revision() != reply.revision &&
        !ASPEN_MUTANT("node-draft-of-two-revisions")) {
      request.revision = draft_->revision();
      continue;
    }
    reply.revision = draft_->revision();
    co_return reply;
  }
}

rt::Task<Result<kv::RangeReply>> SharedDraft::range(rt::Cx& cx, Router& router, kv::RangeRequest request) {
  for (;;) {
    kv::RangeRequest asked;
    {
      std::lock_guard lock(*lock_);
      ASPEN_CO_CHECK(open());
      ASPEN_CO_TRY(asked, draft_->ask(request));
    }
    ASPEN_CO_TRY(kv::RangeReply reply, co_await router.range(cx, asked));
    std::lock_guard lock(*lock_);
    if (asked.revision == 0) draft_->began(reply.revision);
    if (asked.revision == 0 && draft_->revision() != reply.revision) continue;
    ASPEN_CO_TRY(reply, draft_->merge(asked, std::move(reply)));
    reply.revision = draft_->revision();
    co_return reply;
  }
}

rt::Task<Result<SharedDraft::Committed>> SharedDraft::commit(rt::Cx& cx, Router& router) {
  kv::Command command;
  {
    std::lock_guard lock(*lock_);
    ASPEN_CO_CHECK(open());
    if (parent_) co_return commit_into_parent();
    // What has only read has read one state, and that is all it promises.
    if (draft_->changes_nothing()) {
      const Committed committed{true, draft_->revision()};
      if (!ASPEN_MUTANT("node-draft-kept-after-reading")) end();
      co_return committed;
    }
    command.transaction = draft_->transaction();
  }
  ASPEN_CO_TRY(kv::WriteReply reply, co_await router.write(cx, std::move(command)));
  std::lock_guard lock(*lock_);
  Committed committed{reply.succeeded, reply.revision};
  if (branch_) committed.conflicts = draft_->conflicts(reply);
  if (reply.succeeded) end();
  co_return committed;
}

Result<SharedDraft::Committed> SharedDraft::commit_into_parent() {
  ASPEN_TRY(std::vector<kv::Draft::Conflict> conflicts, draft_->commit_into_parent());
  if (conflicts.empty()) end();
  return Committed{over_, draft_->revision(), std::move(conflicts)};
}

}  // namespace aspen::node
