#include "core/lab/history_load.h"

#include <algorithm>

namespace aspen::lab {
namespace {

constexpr uint64_t kRecent = 200;  // revisions, most of which are kept
constexpr uint64_t kReadsMax = 4;  // of one visitor

}  // namespace

HistoryLoad::HistoryLoad(World& world, Cluster& cluster)
    : ModelLoad(world, cluster, "history"), programs_(world.random("programs").next(), kLoadPrefix) {
  programs_.leases = {0};  // most puts are without one, some with one that does not exist
}

void HistoryLoad::visit(Random& random) {
  if (reads_.size() + kReadsMax > kStoriesMax || full()) return;
  const uint64_t what = random.below(40);
  if (what == 0) return compact(random);
  what < 18 ? change(random) : read(random);
}

void HistoryLoad::change(Random& random) {
  kv::Command command;
  do command.transaction = programs_.transaction(committed_.upto());
  while (!kv::validate(command));
  write(random, std::move(command.transaction));
}

uint64_t HistoryLoad::any_revision(Random& random) {
  const uint64_t now = committed_.upto();
  const uint64_t what = random.below(10);
  if (what == 0) return 0;
  if (what == 1) return now + 1 + random.below(40);
  if (what == 2) return 1 + random.below(now + 1);
  return std::max<uint64_t>(1, now - std::min(now, random.below(kRecent)));
}

void HistoryLoad::read(Random& random) {
  node::Freshness freshness;
  if (random.chance(0.2)) freshness = node::kAnyAge;
  lab::visit(world_, cluster_, random, "read of the past",
             [this, revision = any_revision(random), freshness](rt::Cx& cx, Visit visit) {
               return read_at(cx, visit, revision, freshness);
             });
}

rt::Task<Result<>> HistoryLoad::read_at(rt::Cx& cx, Visit visit, uint64_t revision,
                                        node::Freshness freshness) {
  for (uint64_t reads = 1 + visit.random.below(kReadsMax); reads > 0; --reads) {
    ReadStory& story = reads_.emplace_back(ReadStory{.freshness = freshness});
    story.acknowledged = cluster_.acknowledged();
    if (visit.random.chance(0.4)) {
      story.request = kv::GetRequest{programs_.key(), revision};
    } else {
      kv::RangeRequest range = programs_.range();
      range.revision = revision;
      story.request = std::move(range);
    }
    ASPEN_CO_CHECK(co_await read_once(cx, visit, story));
    if (visit.dead()) co_return Result<>();
    ASPEN_CO_CHECK(co_await cx.sleep(visit.random.exponential(20 * kMillisecond)));
    if (visit.dead()) co_return Result<>();
  }
  co_return Result<>();
}

rt::Task<Result<>> HistoryLoad::read_once(rt::Cx& cx, Visit& visit, ReadStory& story) {
  std::optional<Error> error;
  uint64_t seen = 0;
  if (const auto* get = std::get_if<kv::GetRequest>(&story.request)) {
    Result<kv::GetReply> reply = co_await visit.router().get(cx, *get, story.freshness);
    if (visit.dead()) co_return Result<>();
    if (!reply) {
      error = std::move(reply).error();
    } else {
      seen = reply->revision;
      story.got = *std::move(reply);
    }
  } else {
    const auto& range = std::get<kv::RangeRequest>(story.request);
    Result<kv::RangeReply> reply = co_await visit.router().range(cx, range, story.freshness);
    if (visit.dead()) co_return Result<>();
    if (!reply) {
      error = std::move(reply).error();
    } else {
      seen = reply->revision;
      story.page = *std::move(reply);
    }
  }
  note(visit, "read at {}", error ? error->to_string() : std::to_string(seen));
  story.error = std::move(error);
  if (!story.freshness.stale() && seen != 0) cluster_.acknowledge(seen);
  // After the turn in which it was told: a member's own visitor hears before the log is looked at.
  world_.events().after(0, [this, &story] { story.committed = committed_.upto(); });
  co_return Result<>();
}

void HistoryLoad::compact(Random& random) {
  const uint64_t now = committed_.upto();
  const uint64_t to = now - std::min(now, kRecent / 4 + random.below(kRecent));
  lab::visit(world_, cluster_, random, "compaction", [to](rt::Cx& cx, Visit visit) -> rt::Task<Result<>> {
    (void)co_await visit.router().run(cx, {.kind = kv::Command::Kind::compact, .revision = to});
    co_return Result<>();
  });
}

std::string HistoryLoad::check() {
  for (const ReadStory& story : reads_) {
    if (std::string wrong = check_read(story, committed_); !wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace aspen::lab
