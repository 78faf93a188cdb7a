#include "core/lab/draft_load.h"

#include <algorithm>

#include "core/rt/all.h"

namespace aspen::lab {
namespace {

constexpr uint64_t kKeys = 10;
constexpr uint64_t kStepsMax = 6;
constexpr size_t kAttempts = 3;  // with one transaction
constexpr size_t kDepthMax = 3;
constexpr DurationNs kPauseMean = 20 * kMillisecond;
constexpr DurationNs kLongPauseMean = 2 * kSecond;  // meanwhile its revision may be compacted

Bytes scope() {
  return Bytes(kLoadPrefix) + "d";
}

Bytes key_of(uint64_t i) {
  return fmt::format("{}/{}", scope(), i);
}

// Two that do not touch: erased ranges that do become one.
Conflict erased_range(uint64_t which) {
  return which == 0 ? Conflict{key_of(1), key_of(3)} : Conflict{key_of(5), key_of(8)};
}

bool overlap(const Conflict& a, const Conflict& b) {
  return kv::before_end(a.start, b.end) && kv::before_end(b.start, a.end);
}

rt::Task<Result<>> pause(rt::Cx& cx, Random& random) {
  co_return co_await cx.sleep(random.exponential(random.chance(0.02) ? kLongPauseMean : kPauseMean));
}

}  // namespace

void DraftLoad::visit(Random& random) {
  const size_t most = std::max(drafts_.size(), failures_.size());
  if (full() || most >= kStoriesMax) return;
  const uint64_t what = random.below(10);
  if (what < 2) return write_beside(random);
  lab::visit(world_, cluster_, random, "draft", [this, what](rt::Cx& cx, Visit visit) {
    return what < 6 ? transact(cx, visit) : branch(cx, visit);
  });
}

void DraftLoad::write_beside(Random& random) {
  kv::Transaction transaction;
  for (uint64_t i = 1 + random.below(2); i > 0; --i) {
    kv::Op& op = transaction.then.emplace_back(kv::Op{.key = key_of(random.below(kKeys)), .value = "beside"});
    if (random.chance(0.4)) op = {.kind = kv::Op::Kind::erase, .key = std::move(op.key)};
  }
  write(random, std::move(transaction));
}

DraftStory& DraftLoad::begin_story(bool branch) {
  return drafts_.emplace_back(
      DraftStory{.tag = next_tag(), .branch = branch, .acknowledged = cluster_.acknowledged()});
}

// --- drafts and branches ---

rt::Task<Result<>> DraftLoad::transact(rt::Cx& cx, Visit visit) {
  auto draft = std::make_shared<node::SharedDraft>();
  for (size_t attempt = 0; attempt < kAttempts; ++attempt) {
    Use use{draft, &begin_story(false)};
    ASPEN_CO_CHECK(co_await work(cx, visit, use, kDepthMax));
    if (visit.dead()) co_return Result<>();
    const bool kept = !visit.random.chance(0.2);
    if (kept) ASPEN_CO_CHECK(co_await commit(cx, visit, use));
    if (visit.dead()) co_return Result<>();
    // One that has succeeded is empty by itself.
    const bool empty = kept && use.story->answer && *use.story->answer && (*use.story->answer)->succeeded;
    if (!empty) ASPEN_CO_CHECK(draft->reset());
  }
  co_return Result<>();
}

rt::Task<Result<>> DraftLoad::branch(rt::Cx& cx, Visit visit) {
  Result<std::shared_ptr<node::SharedDraft>> draft = node::SharedDraft::branch(nullptr, scope());
  Use use{*draft, &begin_story(true)};
  ASPEN_CO_TRY(uint64_t revision, co_await use.draft->begin(cx, visit.router()));
  if (visit.dead()) co_return Result<>();
  use.story->revision = revision;
  cluster_.acknowledge(revision);
  ASPEN_CO_CHECK(co_await work(cx, visit, use, 0));
  if (visit.dead() || visit.random.chance(0.2)) co_return Result<>();
  ASPEN_CO_TRY(auto late, node::SharedDraft::branch(use.draft, scope()));
  ASPEN_CO_CHECK(late->put(key_of(0), "late", 0));
  ASPEN_CO_CHECK(co_await commit(cx, visit, use));
  if (visit.dead() || !(*use.story->answer)->succeeded) co_return Result<>();
  // It is over, and takes nothing more.
  if ((co_await late->commit(cx, visit.router())).has_value() && !visit.dead()) {
    world_.violate(oracle_, "a branch was committed into one that is over");
  }
  co_return Result<>();
}

// One or two, which end while the other is still there.
rt::Task<Result<>> DraftLoad::branch_of(rt::Cx& cx, Visit& visit, Use& parent, size_t depth) {
  std::vector<std::unique_ptr<Use>> uses;
  for (uint64_t i = 1 + visit.random.below(2); i > 0; --i) {
    ASPEN_CO_TRY(auto draft, node::SharedDraft::branch(parent.draft, scope()));
    DraftStory& story = drafts_.emplace_back(DraftStory{.branch = true, .revision = parent.story->revision});
    uses.push_back(std::make_unique<Use>(draft, &story, &parent, parent.changed.size()));
    if (visit.random.chance(0.3)) change(visit.random, parent);
  }
  for (auto& use : uses) {
    ASPEN_CO_CHECK(co_await work(cx, visit, *use, depth));
    if (visit.dead()) co_return Result<>();
    if (visit.random.chance(0.3)) change(visit.random, parent);
  }
  for (auto& use : uses) {
    if (visit.random.chance(0.2)) continue;
    ASPEN_CO_CHECK(co_await commit_into_parent(cx, visit, *use));
    if (visit.dead()) co_return Result<>();
  }
  co_return Result<>();
}

rt::Task<Result<>> DraftLoad::work(rt::Cx& cx, Visit& visit, Use& use, size_t depth) {
  for (uint64_t steps = 1 + visit.random.below(kStepsMax); steps > 0; --steps) {
    const uint64_t what = visit.random.below(10);
    if (what < 2) {
      ASPEN_CO_CHECK(co_await get(cx, visit, use, key_of(visit.random.below(kKeys))));
    } else if (what == 2) {
      ASPEN_CO_CHECK(co_await get_two(cx, visit, use));
    } else if (what < 5) {
      ASPEN_CO_CHECK(co_await range(cx, visit, use));
    } else if (what == 5 && depth + 1 < kDepthMax) {
      ASPEN_CO_CHECK(co_await branch_of(cx, visit, use, depth + 1));
    } else {
      change(visit.random, use);
    }
    if (visit.dead()) co_return Result<>();
    if (visit.random.chance(0.3)) ASPEN_CO_CHECK(co_await pause(cx, visit.random));
    if (visit.dead()) co_return Result<>();
  }
  co_return Result<>();
}

// --- reads ---

rt::Task<Result<>> DraftLoad::get(rt::Cx& cx, const Visit& visit, Use& use, Bytes key) {
  DraftStory& story = *use.story;
  DraftStory::Read read{.request = {.start = key, .end = kv::key_end(key)}, .staged = staged_by(use)};
  if (!story.staged.has(key)) story.read.push_back({key, kv::key_end(key)});
  Result<kv::GetReply> reply = co_await use.draft->get(cx, visit.router(), key);
  if (visit.dead()) co_return Result<>();
  if (!reply) co_return failed(story, read.request, reply.error());
  if (reply->record) read.page.entries.push_back({key, *std::move(reply->record)});
  read.page.revision = reply->revision;
  told(visit, story, std::move(read));
  co_return Result<>();
}

// At once: if they are the first, one says at which revision both read.
rt::Task<Result<>> DraftLoad::get_two(rt::Cx& cx, Visit& visit, Use& use) {
  const Bytes a = key_of(visit.random.below(kKeys));
  const Bytes b = key_of(visit.random.below(kKeys));
  rt::Joined<void> both =
      co_await rt::all(cx, rt::attempts([&](rt::Cx& cx) { return get(cx, visit, use, a); },
                                        [&](rt::Cx& cx) { return get(cx, visit, use, b); }));
  co_return std::move(both).values();
}

rt::Task<Result<>> DraftLoad::range(rt::Cx& cx, Visit& visit, Use& use) {
  DraftStory& story = *use.story;
  const uint64_t from = visit.random.below(kKeys);
  kv::RangeRequest request{.start = key_of(from),
                           .end = key_of(from + visit.random.below(kKeys - from)) + "~",
                           .limit = static_cast<uint32_t>(visit.random.below(4)),
                           .reverse = visit.random.chance(0.3),
                           .keys_only = visit.random.chance(0.2)};
  DraftStory::Read read{.request = request, .staged = staged_by(use)};
  Result<kv::RangeReply> page = co_await use.draft->range(cx, visit.router(), request);
  if (visit.dead()) co_return Result<>();
  if (!page) co_return failed(story, request, page.error());
  if (page->more) (request.reverse ? request.start : request.end) = page->continuation;
  story.read.push_back({request.start, request.end});
  read.page = *std::move(page);
  told(visit, story, std::move(read));
  co_return Result<>();
}

Staged DraftLoad::staged_by(const Use& use) {
  if (use.parent == nullptr) return use.story->staged;
  Staged all = staged_by(*use.parent);
  all.add(use.story->staged);
  return all;
}

void DraftLoad::told(const Visit& visit, DraftStory& story, DraftStory::Read read) {
  const uint64_t revision = read.page.revision;
  note(visit, "draft {} reads at {}", story.tag, revision);
  if (revision == 0) {  // it has not asked the store yet
    std::string wrong = compare_page(read.request, read.page, read.staged.over({}));
    if (!wrong.empty()) world_.violate(oracle_, "of what it has staged: " + wrong);
    return;
  }
  cluster_.acknowledge(revision);
  if (story.revision == 0) story.revision = revision;
  story.reads.push_back(std::move(read));
}

// A draft whose revision was compacted may still be committed, in vain.
Result<> DraftLoad::failed(const DraftStory& story, kv::RangeRequest request, const Error& error) {
  request.revision = story.revision;
  ReadStory& read = failures_.emplace_back(
      ReadStory{.request = std::move(request), .acknowledged = story.revision, .error = error});
  world_.events().after(0, [this, &read] { read.committed = committed_.upto(); });
  if (error.code == Code::COMPACTED) return {};
  return std::unexpected(error);
}

// --- changes ---

void DraftLoad::change(Random& random, Use& use) {
  Staged step;
  Result<> done;
  const Bytes key = key_of(random.below(kKeys));
  const uint64_t what = random.below(10);
  if (what < 6) {
    const Bytes value = std::to_string(++values_);
    done = use.draft->put(key, value, 0);
    step.writes[key] = value;
  } else if (what < 9) {
    done = use.draft->erase(key);
    step.writes[key] = std::nullopt;
  } else {
    const Conflict range = erased_range(random.below(2));
    done = use.draft->erase_range(range.start, range.end);
    step.erase_range(range.start, range.end);
  }
  if (!done) world_.violate(oracle_, "a change was refused: " + done.error().to_string());
  use.take(step);
}

rt::Task<Result<>> DraftLoad::commit_into_parent(rt::Cx& cx, const Visit& visit, Use& use) {
  ASPEN_CO_TRY(node::SharedDraft::Committed told, co_await use.draft->commit(cx, visit.router()));
  if (visit.dead()) co_return Result<>();
  auto changed = [&](const Conflict& range) {
    return std::any_of(use.parent->changed.begin() + static_cast<ptrdiff_t>(use.began_after),
                       use.parent->changed.end(),
                       [&](const Conflict& other) { return overlap(range, other); });
  };
  const std::vector<Conflict> checked = use.story->checked();
  std::string wrong = check_conflicts(told.conflicts, checked, changed);
  if (wrong.empty() && told.succeeded != told.conflicts.empty()) wrong = "a conflict, and none told";
  if (!wrong.empty()) world_.violate(oracle_, "of a branch into its branch: " + wrong);
  if (!told.succeeded) co_return Result<>();
  std::ranges::copy(use.story->read, std::back_inserter(use.parent->story->read));
  use.parent->take(use.story->staged);
  co_return Result<>();
}

rt::Task<Result<>> DraftLoad::commit(rt::Cx& cx, const Visit& visit, Use& use) {
  DraftStory& story = *use.story;
  const Bytes mark = tagged(scope(), story.tag);
  if (!story.changes_nothing()) {
    ASPEN_CO_CHECK(use.draft->put(mark, "", 0));
    story.staged.writes[mark] = "";
  }
  story.committed = true;
  Result<node::SharedDraft::Committed> answer = co_await use.draft->commit(cx, visit.router());
  if (visit.dead()) co_return Result<>();
  note(visit, "draft {}: {}", story.tag,
       answer ? fmt::format("{} at {}", answer->succeeded ? "committed" : "conflicted", answer->revision)
              : answer.error().to_string());
  if (answer && answer->revision != 0) cluster_.acknowledge(answer->revision);
  story.answer = answer;
  if (!answer) co_return forward_error(std::move(answer));
  co_return Result<>();
}

std::string DraftLoad::check() {
  for (const DraftStory& story : drafts_) {
    if (std::string wrong = check_draft(story, committed_); !wrong.empty()) return wrong;
  }
  for (const ReadStory& story : failures_) {
    if (std::string wrong = check_read(story, committed_); !wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace aspen::lab
