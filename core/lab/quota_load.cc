#include "core/lab/quota_load.h"

namespace aspen::lab {
namespace {

constexpr uint64_t kKeys = 18;
constexpr size_t kOpsMax = 4;

Bytes key_of(uint64_t i) {
  return fmt::format("{}{}/{}", kLoadPrefix, "abb"[i % 3], i / 3);
}

// Some within others, one of all keys there are, one of a single key.
Bytes any_prefix(Random& random) {
  switch (random.below(6)) {
    case 0:
      return {};
    case 1:
      return kLoadPrefix;
    case 2:
      return key_of(random.below(kKeys));
    default:
      return fmt::format("{}{}/", kLoadPrefix, "ab"[random.below(2)]);
  }
}

kv::Op any_op(Random& random) {
  kv::Op op{.key = key_of(random.below(kKeys))};
  const uint64_t what = random.below(10);
  if (what < 6) {
    op.value = Bytes(random.chance(0.15) ? 200 + random.below(800) : random.below(60), 'v');
  } else if (what < 9) {
    op.kind = kv::Op::Kind::erase;
  } else {
    op.kind = kv::Op::Kind::erase_range;
    op.range = {.start = std::move(op.key), .end = fmt::format("{}c", kLoadPrefix)};
    op.key.clear();
  }
  return op;
}

// As a member would find them that begins with this one's snapshot.
Result<std::vector<kv::Quota>> stored_quotas(kv::StateMachine& machine) {
  ASPEN_TRY(auto copy, kv::StateMachine::open(store::open_memory()));
  ASPEN_TRY(auto source, machine.snapshot());
  ASPEN_TRY(auto sink, copy->restore({.index = machine.applied(), .term = 1, .config = {}, .time = 0}));
  for (;;) {
    ASPEN_TRY(Bytes chunk, source->next());
    if (chunk.empty()) break;
    ASPEN_CHECK(sink->write(chunk));
  }
  ASPEN_CHECK(sink->finish());
  return copy->quotas();
}

}  // namespace

void QuotaLoad::visit(Random& random) {
  if (full() || std::max(sets_.size(), lists_.size()) >= kStoriesMax) return;
  const uint64_t what = random.below(10);
  what == 0 ? set(random) : what == 1 ? list(random) : change(random);
}

void QuotaLoad::set(Random& random) {
  kv::Command command{.kind = kv::Command::Kind::quota_set, .prefix = any_prefix(random)};
  if (random.chance(0.7)) {
    // Often under what there is.
    const bool of_all = command.prefix.empty();  // also of what the clients write
    if (random.chance(0.7)) command.bytes_max = (of_all ? 2000 : 1) + random.below(of_all ? 6000 : 1200);
    if (random.chance(0.5)) command.keys_max = (of_all ? 20 : 1) + random.below(of_all ? 60 : kKeys);
  }
  lab::visit(world_, cluster_, random, "quota",
             [this, command](rt::Cx& cx, Visit visit) -> rt::Task<Result<>> {
               Result<kv::DoneReply> reply = co_await visit.router().run(cx, command);
               if (visit.dead()) co_return Result<>();
               note(visit, "quota: {}", reply ? std::to_string(reply->revision) : reply.error().to_string());
               if (!reply) co_return Result<>();
               cluster_.acknowledge(reply->revision);
               sets_.push_back(*reply);
               co_return Result<>();
             });
}

void QuotaLoad::change(Random& random) {
  kv::Transaction transaction;
  if (random.chance(0.3)) transaction.compares = {kv::key_present(key_of(random.below(kKeys)))};
  for (uint64_t i = 1 + random.below(kOpsMax); i > 0; --i) transaction.then.push_back(any_op(random));
  for (uint64_t i = random.below(kOpsMax); i > 0; --i) transaction.otherwise.push_back(any_op(random));
  write(random, std::move(transaction));
}

void QuotaLoad::list(Random& random) {
  lab::visit(world_, cluster_, random, "list", [this](rt::Cx& cx, Visit visit) -> rt::Task<Result<>> {
    Result<node::QuotaList> list = co_await visit.router().quotas(cx);
    if (visit.dead() || !list) co_return Result<>();
    if (list->revision < visit.acknowledged) {
      world_.violate(oracle_, fmt::format("quotas were listed as of {}, after {} had been told",
                                          list->revision, visit.acknowledged));
    }
    lists_.push_back(*std::move(list));
    co_return Result<>();
  });
}

std::string QuotaLoad::check_told() const {
  for (const node::QuotaList& list : lists_) {
    std::string wrong = compare_quotas(list.quotas, quotas_at(committed_, list.revision));
    if (!wrong.empty()) return fmt::format("listed as of {}: {}", list.revision, wrong);
  }
  for (const kv::DoneReply& told : sets_) {
    auto done = std::ranges::find(committed_.done(), told.revision, &CommittedModel::Done::index);
    if (done == committed_.done().end() || !done->reply || *done->reply != told) {
      return fmt::format("a quota of revision {} was told to take {} bytes", told.revision, told.result);
    }
  }
  return {};
}

std::string QuotaLoad::check_members() {
  for (size_t i = 0; i < cluster_.size(); ++i) {
    // A member that finds only now what its disk has done to it is not asked.
    node::Replica* replica = cluster_.member(i).replica();
    if (replica == nullptr) continue;
    const std::vector<kv::Quota> expected = quotas_at(committed_, replica->machine().applied());
    std::string wrong = compare_quotas(replica->machine().quotas(), expected);
    if (!wrong.empty()) return fmt::format("member {} has {}", i, wrong);
    Result<std::vector<kv::Quota>> stored = stored_quotas(replica->machine());
    if (!stored && is_circumstance(stored.error())) continue;
    if (!stored) return fmt::format("member {}: {}", i, stored.error().to_string());
    wrong = compare_quotas(*stored, expected);
    if (!wrong.empty()) return fmt::format("member {} has stored {}", i, wrong);
  }
  return {};
}

std::string QuotaLoad::check() {
  std::string wrong = check_growth(committed_.model().changes, committed_.done());
  if (wrong.empty()) wrong = check_told();
  return wrong.empty() ? check_members() : wrong;
}

}  // namespace aspen::lab
